package io.palimpsest.server.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.port.Disk;
import io.palimpsest.sim.contract.DiskContract;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
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

    private static void onBothKindsOfThread(Runnable body) throws InterruptedException {
        body.run();
        Throwable[] failed = new Throwable[1];
        Thread.ofVirtual().uncaughtExceptionHandler((t, e) -> failed[0] = e).start(body).join();
        if (failed[0] != null) {
            throw new AssertionError(failed[0]);
        }
    }

    private Path file(int length) throws IOException {
        byte[] b = new byte[length];
        new Prng(7).nextBytes(b, 0, length);
        return Files.write(root.resolve("f"), b);
    }

    /**
     * The virtual machine turns a fault into an error that compiled code may meet far from the
     * read: so the read has to be hot, and inlined into the loop around it, before the file is cut.
     */
    @Test
    void aFileCutShortIsAnErrorAndNoCrash() throws Exception {
        Path path = file(1 << 20);
        byte[] expected = Files.readAllBytes(path);
        byte[] into = new byte[16_384];
        try (Disk.Input in = new NioDisk(root).open("f")) {
            for (int i = 0; i < 50_000; i++) {
                in.read(i % 1000, into, 0, 16_384);
            }
            assertArrayEquals(Arrays.copyOfRange(expected, 999, 999 + 16_384), into);
            try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
                channel.truncate(100);
            }
            onBothKindsOfThread(() -> {
                for (int i = 0; i < 2000; i++) {
                    long at = 8192 + i;
                    PageserverException e =
                            assertThrows(
                                    PageserverException.class, () -> in.read(at, into, 0, 16_384));
                    assertEquals(ErrorCode.IO, e.code());
                    assertTrue(
                            e.getMessage().contains(path + ": expected 16384 bytes at " + at),
                            e.getMessage());
                    assertFalse(in.tryRead(at, into, 0, 16_384));
                }
            });
        }
    }

    @Test
    void whatIsInMemoryIsReadWithoutBlocking() throws Exception {
        Path path = file(1 << 20);
        byte[] expected = Files.readAllBytes(path);
        byte[] into = new byte[5000];
        try (Disk.Input in = new NioDisk(root).open("f")) {
            onBothKindsOfThread(() -> {
                for (int at = 0; at < 1_000_000; at += 77_777) {
                    assertTrue(in.tryRead(at, into, 0, 5000));
                    assertArrayEquals(Arrays.copyOfRange(expected, at, at + 5000), into);
                }
            });
        }
    }

    @Test
    void whatIsNotInMemoryIsNotReadWithoutBlocking() throws Exception {
        onBothKindsOfThread(() -> {
            try {
                Path path = file(1 << 20);
                assumeEvictable(path);
                assertTrue(
                        run(
                                "dd",
                                "if=/dev/null",
                                "of=" + path,
                                "oflag=nocache,append",
                                "conv=notrunc,fdatasync",
                                "count=0"));
                assertTrue(run("dd", "if=" + path, "iflag=nocache", "count=0"));
                byte[] into = new byte[5000];
                try (Disk.Input in = new NioDisk(root).open("f")) {
                    assertFalse(in.tryRead(300_000, into, 0, 5000));
                    in.read(300_000, into, 0, 5000);
                    assertTrue(in.tryRead(300_000, into, 0, 5000));
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    private static void assumeEvictable(Path path) throws IOException {
        String type = Files.getFileStore(path).type();
        Assumptions.assumeTrue(
                List.of("ext4", "xfs").contains(type), "files of " + type + " may stay in memory");
        Assumptions.assumeTrue(run("dd", "--version"), "no dd here");
    }

    @Test
    void filesLargerThanAnIntAreRead() throws IOException {
        long end = (3L << 30) + 5;
        try (FileChannel channel =
                FileChannel.open(
                        root.resolve("f"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {1, 2, 3, 4, 5}), end - 5);
        }
        byte[] into = new byte[7];
        try (Disk.Input in = new NioDisk(root).open("f")) {
            assertEquals(end, in.size());
            for (int i = 0; i < 10; i++) {
                in.read(end - 7, into, 0, 7);
                assertArrayEquals(new byte[] {0, 0, 1, 2, 3, 4, 5}, into);
            }
            assertTrue(in.tryRead(end - 7, into, 0, 7));
        }
    }

    @Test
    void inputsAreClosedWhileTheyAreRead() throws Exception {
        file(1 << 20);
        NioDisk disk = new NioDisk(root);
        for (int i = 0; i < 20; i++) {
            Disk.Input in = disk.open("f");
            Throwable[] end = new Throwable[1];
            CountDownLatch begun = new CountDownLatch(1);
            Thread reader =
                    Thread.ofPlatform()
                            .uncaughtExceptionHandler((t, e) -> end[0] = e)
                            .start(() -> {
                                byte[] into = new byte[8192];
                                for (int n = 0; ; n++) {
                                    in.read(n % 1000 * 1000L, into, 0, 8192);
                                    if (n == 100) {
                                        begun.countDown();
                                    }
                                }
                            });
            begun.await();
            in.close();
            reader.join();
            assertTrue(end[0] instanceof Check.Failed, String.valueOf(end[0]));
        }
    }
}
