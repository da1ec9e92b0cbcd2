package io.palimpsest.sim.contract;

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
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** What every disk does. */
public abstract class DiskContract {
    /** Runs the body with an empty disk. */
    protected abstract void withDisk(Consumer<Disk> body);

    /** Whether {@link #withPowerLoss} can be had. */
    protected abstract boolean canLosePower();

    /**
     * Runs {@code before} on an empty disk, cuts the power, and runs {@code after} on what is left;
     * many times, if chance has a say.
     */
    protected void withPowerLoss(Consumer<Disk> before, Consumer<Disk> after) {
        throw new UnsupportedOperationException("this disk cannot lose its power");
    }

    /**
     * Runs the body with an empty disk that holds about a megabyte; skips the test if there is none
     * to be had.
     */
    protected abstract void withSmallDisk(Consumer<Disk> body);

    private void requirePowerLoss() {
        Assumptions.assumeTrue(canLosePower(), "the power of this disk cannot be cut in a test");
    }

    private static byte[] content(int length, long seed) {
        byte[] b = new byte[length];
        new Prng(seed).nextBytes(b, 0, length);
        return b;
    }

    private static void write(Disk disk, String path, byte[] content) {
        try (Disk.Output out = disk.create(path)) {
            out.append(content, 0, content.length);
            out.sync();
        }
    }

    private static byte[] read(Disk disk, String path) {
        try (Disk.Input in = disk.open(path)) {
            byte[] b = new byte[(int) in.size()];
            in.read(0, b, 0, b.length);
            return b;
        }
    }

    private static void assertFails(ErrorCode code, String named, Runnable action) {
        PageserverException e = assertThrows(PageserverException.class, action::run);
        assertEquals(code, e.code(), e.getMessage());
        assertTrue(String.valueOf(e.getMessage()).contains(named), e.getMessage());
    }

    @Test
    void whatIsAppendedIsRead() {
        withDisk(disk -> {
            byte[] content = content(700_001, 1);
            disk.createDirectories("a/b");
            try (Disk.Output out = disk.create("a/b/f")) {
                int at = 0;
                for (int n = 1; at < content.length; n = n * 3 + 1) {
                    int length = Math.min(n, content.length - at);
                    out.append(content, at, length);
                    at += length;
                    assertEquals(at, out.size());
                }
                out.sync();
            }
            assertArrayEquals(content, read(disk, "a/b/f"));
        });
    }

    @Test
    void thereIsNoMoreRoomThanThereIsInAll() {
        withSmallDisk(disk -> {
            Disk.Space before = disk.space();
            assertTrue(before.availableBytes() > 300_000, before.toString());
            assertTrue(before.availableBytes() <= before.totalBytes(), before.toString());
            assertTrue(before.totalBytes() < 1L << 30, before.toString());
            write(disk, "f", content(300_000, 1));
            Disk.Space after = disk.space();
            assertEquals(before.totalBytes(), after.totalBytes());
            long taken = before.availableBytes() - after.availableBytes();
            assertTrue(taken >= 300_000, taken + " bytes were taken");
        });
    }

    @Test
    void bytesNotSyncedAreReadAfterClose() {
        withDisk(disk -> {
            try (Disk.Output out = disk.create("f")) {
                out.append(content(5, 1), 0, 5);
            }
            assertArrayEquals(content(5, 1), read(disk, "f"));
        });
    }

    @Test
    void readsAtAnyPositionIntoAnyPlace() {
        withDisk(disk -> {
            byte[] content = content(10_000, 2);
            write(disk, "f", content);
            try (Disk.Input in = disk.open("f")) {
                byte[] into = new byte[5000];
                in.read(1234, into, 17, 4321);
                assertArrayEquals(
                        Arrays.copyOfRange(content, 1234, 5555),
                        Arrays.copyOfRange(into, 17, 4338));
                assertEquals(0, into[16]);
                assertEquals(0, into[4338]);
                in.read(10_000, into, 0, 0);
            }
        });
    }

    @Test
    void tryReadAnswersRightOrNot() {
        withDisk(disk -> {
            byte[] content = content(5000, 3);
            write(disk, "f", content);
            try (Disk.Input in = disk.open("f")) {
                for (int i = 0; i < 50; i++) {
                    byte[] into = new byte[100];
                    if (in.tryRead(i * 97L, into, 0, 100)) {
                        assertArrayEquals(Arrays.copyOfRange(content, i * 97, i * 97 + 100), into);
                    }
                }
            }
        });
    }

    @Test
    void readPastTheEndIsAnError() {
        withDisk(disk -> {
            write(disk, "f", content(100, 4));
            try (Disk.Input in = disk.open("f")) {
                assertFails(ErrorCode.IO, "f", () -> in.read(50, new byte[51], 0, 51));
                assertFails(ErrorCode.IO, "f", () -> in.read(101, new byte[1], 0, 1));
                assertFails(ErrorCode.IO, "f", () -> in.read(-1, new byte[1], 0, 1));
                assertFails(ErrorCode.IO, "f", () -> in.read(Long.MAX_VALUE, new byte[1], 0, 1));
            }
        });
    }

    @Test
    void createRefusesANameThatExists() {
        withDisk(disk -> {
            write(disk, "f", content(1, 5));
            disk.createDirectories("d");
            assertFails(ErrorCode.CONFLICT, "f", () -> disk.create("f").close());
            assertFails(ErrorCode.CONFLICT, "d", () -> disk.create("d").close());
            assertFails(ErrorCode.CONFLICT, "f", () -> disk.createDirectories("f"));
            assertArrayEquals(content(1, 5), read(disk, "f"));
        });
    }

    @Test
    void whatIsNotThereIsNotFound() {
        withDisk(disk -> {
            assertFails(ErrorCode.NOT_FOUND, "f", () -> disk.open("f").close());
            assertFails(ErrorCode.NOT_FOUND, "no", () -> disk.create("no/f").close());
            assertFails(ErrorCode.NOT_FOUND, "f", () -> disk.rename("f", "g"));
            assertFails(ErrorCode.NOT_FOUND, "no", () -> disk.syncDirectory("no"));
            assertFalse(disk.exists("f"));
            assertEquals(List.of(), disk.list("no"));
            disk.delete("f");
            disk.deleteTree("no");
        });
    }

    @Test
    void badPathsAreRefused() {
        withDisk(disk -> {
            for (String path :
                    List.of(
                            "", "/", "/f", "f/", "a//f", ".", "..", "../f", "a/../f", "a/./f",
                            "a\\f", "a\0f")) {
                assertFails(ErrorCode.BAD_REQUEST, path, () -> disk.create(path).close());
                assertFails(ErrorCode.BAD_REQUEST, path, () -> disk.open(path).close());
                assertFails(ErrorCode.BAD_REQUEST, path, () -> disk.deleteTree(path));
                assertFails(ErrorCode.BAD_REQUEST, path, () -> disk.rename("f", path));
            }
            assertEquals(List.of(), disk.list(""));
        });
    }

    @Test
    void renameReplaces() {
        withDisk(disk -> {
            write(disk, "old", content(10, 6));
            write(disk, "new", content(20, 7));
            try (Disk.Input replaced = disk.open("old")) {
                disk.rename("new", "old");
                assertEquals(10, replaced.size());
                byte[] b = new byte[10];
                replaced.read(0, b, 0, 10);
                assertArrayEquals(content(10, 6), b);
            }
            assertArrayEquals(content(20, 7), read(disk, "old"));
            assertFalse(disk.exists("new"));
            disk.createDirectories("d");
            assertFails(ErrorCode.BAD_REQUEST, "d/old", () -> disk.rename("old", "d/old"));
            assertFails(ErrorCode.CONFLICT, "d", () -> disk.rename("old", "d"));
        });
    }

    @Test
    void aLinkIsASecondNameOfTheSameBytes() {
        withDisk(disk -> {
            disk.createDirectories("a");
            disk.createDirectories("b/c");
            write(disk, "a/f", content(3000, 6));
            disk.link("a/f", "b/c/g");
            assertArrayEquals(content(3000, 6), read(disk, "b/c/g"));
            disk.delete("a/f");
            assertFalse(disk.exists("a/f"));
            assertArrayEquals(content(3000, 6), read(disk, "b/c/g"));
            disk.link("b/c/g", "a/f");
            disk.deleteTree("b");
            assertArrayEquals(content(3000, 6), read(disk, "a/f"));
            write(disk, "a/h", content(10, 7));
            disk.rename("a/h", "a/f");
            assertArrayEquals(content(10, 7), read(disk, "a/f"));
        });
    }

    @Test
    void aLinkReplacesNothing() {
        withDisk(disk -> {
            write(disk, "f", content(10, 6));
            write(disk, "g", content(20, 7));
            disk.createDirectories("d");
            assertFails(ErrorCode.CONFLICT, "g", () -> disk.link("f", "g"));
            assertFails(ErrorCode.CONFLICT, "d", () -> disk.link("f", "d"));
            assertFails(ErrorCode.CONFLICT, "f", () -> disk.link("f", "f"));
            assertFails(ErrorCode.NOT_FOUND, "x", () -> disk.link("x", "y"));
            assertFails(ErrorCode.NOT_FOUND, "no", () -> disk.link("f", "no/y"));
            assertFails(ErrorCode.IO, "d", () -> disk.link("d", "e"));
            assertFails(ErrorCode.BAD_REQUEST, "../f", () -> disk.link("../f", "y"));
            assertFails(ErrorCode.BAD_REQUEST, "../y", () -> disk.link("f", "../y"));
            assertArrayEquals(content(20, 7), read(disk, "g"));
            assertEquals(List.of("d", "f", "g"), disk.list(""));
        });
    }

    @Test
    void aFullDiskSaysSoAndGoesOnWhenThereIsRoom() {
        withSmallDisk(disk -> {
            write(disk, "kept", content(1000, 1));
            byte[] chunk = content(64 << 10, 2);
            PageserverException e =
                    assertThrows(
                            PageserverException.class,
                            () -> {
                                try (Disk.Output out = disk.create("big")) {
                                    for (int i = 0; i < 64; i++) {
                                        out.append(chunk, 0, chunk.length);
                                        out.sync();
                                    }
                                }
                            });
            assertEquals(ErrorCode.NO_SPACE, e.code(), e.getMessage());
            assertTrue(String.valueOf(e.getMessage()).contains("big"), e.getMessage());
            assertArrayEquals(content(1000, 1), read(disk, "kept"));
            disk.delete("big");
            write(disk, "again.tmp", content(500_000, 3));
            disk.rename("again.tmp", "again");
            disk.link("again", "linked");
            disk.syncDirectory("");
            assertArrayEquals(content(500_000, 3), read(disk, "linked"));
            assertEquals(List.of("again", "kept", "linked"), disk.list(""));
        });
    }

    @Test
    void deletingDoesNotDisturbWhoReads() {
        withDisk(disk -> {
            write(disk, "f", content(10, 8));
            try (Disk.Input in = disk.open("f")) {
                disk.delete("f");
                assertFalse(disk.exists("f"));
                byte[] b = new byte[10];
                in.read(0, b, 0, 10);
                assertArrayEquals(content(10, 8), b);
            }
            write(disk, "f", content(11, 9));
            assertArrayEquals(content(11, 9), read(disk, "f"));
        });
    }

    @Test
    void listIsSortedAndOneLevelDeep() {
        withDisk(disk -> {
            disk.createDirectories("t/d");
            disk.createDirectories("t-x");
            write(disk, "t/b", content(1, 1));
            write(disk, "t/a", content(1, 1));
            write(disk, "t/d/c", content(1, 1));
            write(disk, "z", content(1, 1));
            assertEquals(List.of("a", "b", "d"), disk.list("t"));
            assertEquals(List.of("t", "t-x", "z"), disk.list(""));
            assertTrue(disk.exists("t/d"));
            disk.createDirectories("t/d");
            assertEquals(List.of("c"), disk.list("t/d"));
        });
    }

    @Test
    void deleteTreeTakesAllBelowAndNothingElse() {
        withDisk(disk -> {
            disk.createDirectories("t/d/e");
            disk.createDirectories("t2");
            write(disk, "t/d/e/f", content(1, 1));
            write(disk, "t2/f", content(1, 1));
            disk.deleteTree("t");
            assertEquals(List.of("t2"), disk.list(""));
            assertEquals(List.of(), disk.list("t"));
            assertFails(ErrorCode.NOT_FOUND, "t/d", () -> disk.create("t/d/f").close());
            assertTrue(disk.exists("t2/f"));
            assertFails(ErrorCode.IO, "t2", () -> disk.delete("t2"));
        });
    }

    @Test
    void closedHandlesAreNotUsed() {
        withDisk(disk -> {
            Disk.Output out = disk.create("f");
            out.close();
            out.close();
            assertThrows(Check.Failed.class, () -> out.append(new byte[1], 0, 1));
            assertThrows(Check.Failed.class, out::sync);
            Disk.Input in = disk.open("f");
            in.close();
            in.close();
            assertThrows(Check.Failed.class, () -> in.read(0, new byte[1], 0, 0));
        });
    }

    @Test
    void syncedFileInSyncedDirectorySurvives() {
        requirePowerLoss();
        withPowerLoss(
                disk -> {
                    disk.createDirectories("a/b");
                    try (Disk.Output out = disk.create("a/b/f.tmp")) {
                        out.append(content(9000, 1), 0, 9000);
                        out.sync();
                        out.append(content(9000, 2), 0, 9000);
                    }
                    disk.rename("a/b/f.tmp", "a/b/f");
                    disk.syncDirectory("a/b");
                },
                disk -> {
                    assertEquals(List.of("f"), disk.list("a/b"));
                    byte[] b = read(disk, "a/b/f");
                    assertTrue(b.length >= 9000 && b.length <= 18_000, "length " + b.length);
                    assertArrayEquals(content(9000, 1), Arrays.copyOf(b, 9000));
                });
    }

    @Test
    void replacementIsOldOrNew() {
        requirePowerLoss();
        withPowerLoss(
                disk -> {
                    write(disk, "index", content(100, 1));
                    disk.syncDirectory("");
                    write(disk, "index.tmp", content(200, 2));
                    disk.rename("index.tmp", "index");
                },
                disk -> {
                    byte[] b = read(disk, "index");
                    assertArrayEquals(content(b.length, b.length / 100), b);
                    assertTrue(b.length == 100 || b.length == 200);
                });
    }

    @Test
    void aLinkInASyncedDirectorySurvivesTheFirstName() {
        requirePowerLoss();
        withPowerLoss(
                disk -> {
                    disk.createDirectories("a");
                    disk.createDirectories("b");
                    write(disk, "a/f", content(9000, 1));
                    disk.syncDirectory("a");
                    disk.link("a/f", "b/g");
                    disk.syncDirectory("b");
                    disk.link("a/f", "b/h");
                    disk.delete("a/f");
                    disk.syncDirectory("a");
                },
                disk -> {
                    assertEquals(List.of(), disk.list("a"));
                    assertArrayEquals(content(9000, 1), read(disk, "b/g"));
                    if (disk.exists("b/h")) {
                        assertArrayEquals(content(9000, 1), read(disk, "b/h"));
                    }
                });
    }

    @Test
    void syncedDeletionLasts() {
        requirePowerLoss();
        withPowerLoss(
                disk -> {
                    disk.createDirectories("t/d");
                    write(disk, "t/d/f", content(1, 1));
                    disk.syncDirectory("t/d");
                    write(disk, "g", content(1, 1));
                    disk.syncDirectory("");
                    disk.delete("g");
                    disk.deleteTree("t");
                    disk.syncDirectory("");
                    disk.createDirectories("t/d");
                },
                disk -> {
                    assertEquals(List.of("t"), disk.list(""));
                    assertEquals(List.of(), disk.list("t/d"));
                });
    }
}
