package io.palimpsest.server.cli;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.remote.RemoteStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/** Where {@link Proofs} are kept between runs. */
sealed interface ProofsPlace {
    /** None if nothing was kept there yet. */
    Proofs load();

    void save(Proofs proofs);

    /** For people. */
    String name();

    /** A file here, replaced in one step. */
    record InFile(Path file) implements ProofsPlace {
        @Override
        public String name() {
            return file.toString();
        }

        @Override
        public Proofs load() {
            try {
                return Proofs.decode(Files.readAllBytes(file), name());
            } catch (NoSuchFileException e) {
                return new Proofs();
            } catch (IOException e) {
                throw PageserverException.of(ErrorCode.IO, "%s cannot be read: %s", file, e);
            }
        }

        @Override
        public void save(Proofs proofs) {
            Path written = file.resolveSibling(file.getFileName() + ".new");
            try {
                try (FileChannel out =
                        FileChannel.open(
                                written,
                                StandardOpenOption.CREATE,
                                StandardOpenOption.TRUNCATE_EXISTING,
                                StandardOpenOption.WRITE)) {
                    ByteBuffer bytes = ByteBuffer.wrap(proofs.encode());
                    while (bytes.hasRemaining()) {
                        out.write(bytes);
                    }
                    out.force(true);
                }
                Files.move(
                        written,
                        file,
                        StandardCopyOption.ATOMIC_MOVE,
                        StandardCopyOption.REPLACE_EXISTING);
            } catch (IOException e) {
                throw PageserverException.of(ErrorCode.IO, "%s cannot be written: %s", file, e);
            }
        }
    }

    /**
     * An object beside the tenants, where no page server has anything and no scrub looks. What
     * another run has put meanwhile is taken over.
     */
    final class InStore implements ProofsPlace {
        static final String KEY = "palimpsest-store-verify/proofs";

        private static final int LONGEST = 1 << 30;
        private static final int ATTEMPTS = 10;

        private final RemoteStore store;
        private @Nullable String version;

        InStore(RemoteStore store) {
            this.store = store;
        }

        @Override
        public String name() {
            return "object " + KEY + " of the store";
        }

        @Override
        public Proofs load() {
            try {
                RemoteStore.Small there = store.read(KEY, LONGEST);
                version = there.version();
                return Proofs.decode(there.bytes(), name());
            } catch (PageserverException e) {
                if (e.code() == ErrorCode.NOT_FOUND) {
                    version = null;
                    return new Proofs();
                }
                throw e.code() == ErrorCode.CORRUPTION
                        ? new PageserverException(
                                ErrorCode.PRECONDITION_FAILED,
                                e.getMessage() + "; delete it, and all is read anew",
                                e)
                        : e;
            }
        }

        @Override
        public void save(Proofs proofs) {
            for (int attempt = 1; ; attempt++) {
                try {
                    put(Content.of(proofs.encode()));
                    return;
                } catch (PageserverException e) {
                    if (e.code() == ErrorCode.DENIED) {
                        throw new PageserverException(
                                ErrorCode.DENIED,
                                e.getMessage()
                                        + "; what was verified can be remembered in a file instead: --proofs FILE",
                                e);
                    }
                    if (e.code() != ErrorCode.CONFLICT || attempt == ATTEMPTS) {
                        throw e;
                    }
                }
                proofs.merge(load());
            }
        }

        private void put(Content content) {
            String was = version;
            version = was == null ? store.create(KEY, content) : store.replace(KEY, content, was);
        }
    }
}
