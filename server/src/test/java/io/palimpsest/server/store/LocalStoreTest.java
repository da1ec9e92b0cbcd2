package io.palimpsest.server.store;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectStore.Listing;
import io.palimpsest.sim.contract.ObjectStoreContract;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LocalStoreTest {
    @TempDir Path directory;

    @Nested
    class Contract extends ObjectStoreContract {
        @Override
        protected void inWorld(Consumer<World> body) {
            StoreWorld.run(new LocalStore(directory.resolve("store")), body);
        }

        @Override
        protected int severalPieces() {
            return 1_000_001;
        }
    }

    private static void put(LocalStore store, String key, String text) {
        store.put(key, Content.of(text.getBytes()), Condition.ALWAYS);
    }

    private static void assertFails(ErrorCode code, String named, Runnable action) {
        PageserverException e = assertThrows(PageserverException.class, action::run);
        assertEquals(code, e.code(), e.getMessage());
        assertTrue(String.valueOf(e.getMessage()).contains(named), e.getMessage());
    }

    private TreeSet<String> files() throws IOException {
        try (Stream<Path> all = Files.walk(directory)) {
            TreeSet<String> found = new TreeSet<>();
            all.filter(Files::isRegularFile)
                    .forEach(f -> found.add(directory.relativize(f).toString()));
            return found;
        }
    }

    @Test
    void everyFlippedBitIsFoundOnRead() throws IOException {
        LocalStore store = new LocalStore(directory);
        put(store, "a/k", "twelve bytes");
        Path file = directory.resolve("a/k");
        byte[] good = Files.readAllBytes(file);
        assertEquals(12 + LocalTrailer.SIZE, good.length);
        for (int bit = 0; bit < 8 * good.length; bit++) {
            byte[] bad = good.clone();
            bad[bit / 8] ^= (byte) (1 << bit % 8);
            Files.write(file, bad);
            assertFails(ErrorCode.CORRUPTION, "a/k", () -> store.get("a/k", (b, o, l) -> {}));
        }
        for (int length : List.of(0, 5, LocalTrailer.SIZE, good.length - 1)) {
            Files.write(file, java.util.Arrays.copyOf(good, length));
            assertFails(ErrorCode.CORRUPTION, "a/k", () -> store.get("a/k", (b, o, l) -> {}));
            assertFails(ErrorCode.CORRUPTION, "a/k", () -> store.head("a/k"));
        }
    }

    @Test
    void aFailedPutLeavesNoFile() throws IOException {
        LocalStore store = new LocalStore(directory);
        put(store, "a/k", "x");
        assertFails(
                ErrorCode.CONFLICT,
                "a/k",
                () -> store.put("a/k", Content.of(new byte[9]), Condition.ABSENT));
        assertFails(
                ErrorCode.CONFLICT,
                "a/k",
                () -> store.put("a/k", Content.of(new byte[9]), new Condition.Version("1")));
        Content wrong = new io.palimpsest.port.ObjectStore.Part(3, 1, (p, i, o, l) -> {});
        assertFails(ErrorCode.CORRUPTION, "b", () -> store.put("b", wrong, Condition.ALWAYS));
        assertEquals(new TreeSet<>(List.of(".lock", "a/k")), files());
    }

    @Test
    void directoriesWithoutObjectsGo() throws IOException {
        LocalStore store = new LocalStore(directory);
        put(store, "a/b/c/k", "x");
        put(store, "a/l", "x");
        store.delete(List.of("a/b/c/k"));
        assertFalse(Files.exists(directory.resolve("a/b")));
        assertTrue(Files.exists(directory.resolve("a/l")));
        Files.createDirectories(directory.resolve("left/over"));
        assertEquals(List.of("a/"), store.list("", false, 10, null).directories());
    }

    @Test
    void anObjectIsNoDirectory() {
        LocalStore store = new LocalStore(directory);
        put(store, "a/k", "x");
        assertFails(ErrorCode.CONFLICT, "a", () -> put(store, "a", "y"));
        assertFails(
                ErrorCode.CONFLICT,
                "a",
                () -> store.put("a", Content.of(new byte[1]), Condition.ABSENT));
        assertFails(ErrorCode.CONFLICT, "a/k/l", () -> put(store, "a/k/l", "y"));
        assertFails(ErrorCode.NOT_FOUND, "a", () -> store.head("a"));
        assertFails(ErrorCode.NOT_FOUND, "a/k/l", () -> store.head("a/k/l"));
        store.delete(List.of("a", "a/k/l"));
        assertEquals(1, store.head("a/k").length());
    }

    @Test
    void symbolicLinksLeadNowhere() throws IOException {
        Path outside = Files.createDirectories(directory.resolve("outside"));
        LocalStore store = new LocalStore(directory.resolve("store"));
        LocalStore other = new LocalStore(outside);
        put(other, "secret", "x");
        put(store, "a/k", "y");
        Files.createSymbolicLink(directory.resolve("store/a/dir"), outside);
        Files.createSymbolicLink(directory.resolve("store/a/file"), outside.resolve("secret"));
        TreeSet<String> before = files();
        assertFails(ErrorCode.BAD_REQUEST, "symbolic", () -> put(store, "a/dir/k", "z"));
        assertFails(ErrorCode.BAD_REQUEST, "symbolic", () -> store.head("a/dir/secret"));
        assertFails(ErrorCode.BAD_REQUEST, "symbolic", () -> store.delete(List.of("a/dir/secret")));
        assertFails(ErrorCode.BAD_REQUEST, "symbolic", () -> store.list("a/dir/", true, 9, null));
        assertThrows(PageserverException.class, () -> store.get("a/file", (b, o, l) -> {}));
        assertEquals(before, files());
        Listing listing = store.list("", true, 10, null);
        assertEquals(List.of("a/k"), listing.objects().stream().map(e -> e.key()).toList());
        assertEquals(2, listing.foreign());
        put(store, "a/file", "mine");
        assertEquals(1, other.head("secret").length());
        assertEquals(4, store.head("a/file").length());
    }

    @Test
    void foreignNamesAreCountedAndNotGiven() throws IOException {
        LocalStore store = new LocalStore(directory);
        put(store, "a/k", "x");
        Files.writeString(directory.resolve("a/b c"), "y");
        Files.createDirectories(directory.resolve("a/d\\e"));
        Listing listing = store.list("a/", true, 10, null);
        assertEquals(1, listing.objects().size());
        assertEquals(2, listing.foreign());
    }

    @Test
    void whatACrashLeftIsDeletedADayLater() throws IOException {
        new LocalStore(directory);
        Path old = Files.writeString(directory.resolve(".tmp/old"), "x");
        Path recent = Files.writeString(directory.resolve(".tmp/recent"), "x");
        Files.setLastModifiedTime(
                old, FileTime.fromMillis(System.currentTimeMillis() - 90_000_000L));
        new LocalStore(directory);
        assertFalse(Files.exists(old));
        assertTrue(Files.exists(recent));
    }

    @Test
    void aPlaceThatIsNoneIsRefused() throws IOException {
        Path file = Files.writeString(directory.resolve("f"), "x");
        assertFails(ErrorCode.BAD_REQUEST, "f", () -> new LocalStore(file));
        assertFails(ErrorCode.BAD_REQUEST, "f", () -> new LocalStore(file.resolve("x")));
    }

    /** Increments a counter {@code args[1]} times by replacing its version, and claims names. */
    static final class Process {
        private Process() {}

        public static void main(String[] args) {
            LocalStore store = new LocalStore(Path.of(args[0]));
            int won = 0;
            for (int i = 0; i < Integer.parseInt(args[1]); i++) {
                while (!increment(store)) {
                    Thread.onSpinWait();
                }
                try {
                    String key = "claims/" + i + "/generation";
                    store.put(key, Content.of(new byte[8]), Condition.ABSENT);
                    won++;
                } catch (PageserverException e) {
                    if (e.code() != ErrorCode.CONFLICT) {
                        throw e;
                    }
                }
                // Directories come and go under the other process.
                put(store, "busy/here/k" + args[2], "x");
                store.delete(List.of("busy/here/k" + args[2]));
            }
            System.out.println(won);
        }

        private static boolean increment(LocalStore store) {
            byte[] count = new byte[8];
            var seen = store.get("counter", (b, o, l) -> System.arraycopy(b, o, count, 0, l));
            byte[] next =
                    java.nio.ByteBuffer.allocate(8)
                            .putLong(java.nio.ByteBuffer.wrap(count).getLong() + 1)
                            .array();
            try {
                store.put("counter", Content.of(next), new Condition.Version(seen.version()));
                return true;
            } catch (PageserverException e) {
                if (e.code() == ErrorCode.CONFLICT) {
                    return false;
                }
                throw e;
            }
        }
    }

    @Test
    void twoProcessesLoseNothingOfEachOther() throws Exception {
        LocalStore store = new LocalStore(directory);
        store.put("counter", Content.of(new byte[8]), Condition.ALWAYS);
        int each = 40;
        List<java.lang.Process> processes = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            processes.add(
                    new ProcessBuilder(
                                    Path.of(System.getProperty("java.home"), "bin", "java")
                                            .toString(),
                                    "-XX:TieredStopAtLevel=1",
                                    "-XX:+UseSerialGC",
                                    "--enable-native-access=ALL-UNNAMED",
                                    "-cp",
                                    System.getProperty("java.class.path"),
                                    Process.class.getName(),
                                    directory.toString(),
                                    Integer.toString(each),
                                    Integer.toString(i))
                            .redirectError(ProcessBuilder.Redirect.INHERIT)
                            .start());
        }
        int won = 0;
        for (java.lang.Process p : processes) {
            String out = new String(p.getInputStream().readAllBytes()).strip();
            assertEquals(0, p.waitFor());
            won += Integer.parseInt(out);
        }
        assertEquals(each, won);
        byte[] count = new byte[8];
        store.get("counter", (b, o, l) -> System.arraycopy(b, o, count, 0, l));
        assertEquals(2 * each, java.nio.ByteBuffer.wrap(count).getLong());
        assertArrayEquals(
                new Object[] {"claims/", "counter"},
                Stream.concat(
                                store.list("", false, 10, null).directories().stream(),
                                store.list("", false, 10, null).objects().stream()
                                        .map(e -> e.key()))
                        .toArray());
    }
}
