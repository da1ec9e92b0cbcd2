package io.palimpsest.server.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Disk;
import io.palimpsest.sim.contract.DiskContract;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.Consumer;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NioDiskTest extends DiskContract {
    @TempDir Path root;

    @Override
    protected void withDisk(Consumer<Disk> body) {
        body.accept(new NioDisk(root));
    }

    /** A small file system in memory, if this process may mount one. */
    @Override
    protected void withSmallDisk(Consumer<Disk> body) {
        Path small = root.resolve("small");
        try {
            Files.createDirectory(small);
            Assumptions.assumeTrue(
                    run("mount", "-t", "tmpfs", "-o", "size=1m", "none", small.toString()),
                    "this process may not mount a file system");
            try {
                body.accept(new NioDisk(small));
            } finally {
                assertTrue(run("umount", small.toString()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean run(String... command) throws IOException {
        Process p =
                new ProcessBuilder(command)
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .redirectError(ProcessBuilder.Redirect.DISCARD)
                        .start();
        return p.onExit().join().exitValue() == 0;
    }

    /** /dev/full fails each write as a full disk does, and nobody has to be root for it. */
    @Test
    void aFullDeviceIsRecognised() throws IOException {
        Path full = Path.of("/dev/full");
        Assumptions.assumeTrue(Files.exists(full), "no /dev/full here");
        NioDisk.ChannelOutput out =
                new NioDisk.ChannelOutput(full, FileChannel.open(full, StandardOpenOption.WRITE));
        out.append(new byte[1000], 0, 1000);
        PageserverException e = assertThrows(PageserverException.class, out::sync);
        assertEquals(ErrorCode.NO_SPACE, e.code(), e.getMessage());
        out.close();
    }

    @Test
    void quotaIsASpaceToo() {
        assertTrue(DiskFull.is(new IOException("Disk quota exceeded")));
        assertTrue(DiskFull.is(new FileSystemException("f", "g", "No space left on device")));
        assertFalse(DiskFull.is(new IOException("Input/output error")));
        assertFalse(DiskFull.is(new IOException()));
    }

    @Test
    void whereLinksAreRefusedACopyIsMade() throws IOException {
        Path from = Files.write(root.resolve("from"), new byte[] {1, 2, 3});
        NioDisk.copy(from, root.resolve("to"));
        assertArrayEquals(new byte[] {1, 2, 3}, Files.readAllBytes(root.resolve("to")));
        assertThrows(
                FileAlreadyExistsException.class, () -> NioDisk.copy(from, root.resolve("to")));
        assertArrayEquals(new byte[] {1, 2, 3}, Files.readAllBytes(root.resolve("to")));
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
