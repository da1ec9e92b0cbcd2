package io.palimpsest.server.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Disk;
import io.palimpsest.sim.contract.DiskContract;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NioDiskTest extends DiskContract {
    @TempDir Path root;

    @Override
    protected void withDisk(Consumer<Disk> body) {
        body.accept(new NioDisk(root));
    }

    @Override
    protected boolean canLosePower() {
        return false;
    }

    @Test
    void theRootMustBeADirectory() {
        PageserverException e =
                assertThrows(PageserverException.class, () -> new NioDisk(root.resolve("nothing")));
        assertEquals(ErrorCode.NOT_FOUND, e.code());
    }

    @Test
    void deletingATreeDoesNotFollowLinks() throws Exception {
        Path outside = Files.createDirectory(root.resolve("outside"));
        Files.writeString(outside.resolve("f"), "kept");
        Path inside = Files.createDirectory(root.resolve("tree"));
        Files.createSymbolicLink(inside.resolve("link"), outside);
        new NioDisk(root).deleteTree("tree");
        assertEquals("kept", Files.readString(outside.resolve("f")));
    }
}
