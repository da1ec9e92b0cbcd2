package io.palimpsest.sim.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectStore.Entry;
import io.palimpsest.port.ObjectStore.Listing;
import io.palimpsest.port.ObjectStore.Stored;
import io.palimpsest.port.Tasks;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** What every object store does. */
public abstract class ObjectStoreContract {
    /** An empty store (or an empty place in one), and tasks that use it together. */
    public interface World {
        ObjectStore store();

        Tasks tasks();
    }

    /** Runs the body as a task. */
    protected abstract void inWorld(Consumer<World> body);

    /** What an emulator gets wrong, and no store that holds data may. */
    public enum Defect {
        /** Of several who put under a condition at once more than one may succeed. */
        CONDITIONS_RACE,
        /** Who reads while it is replaced may see parts of both. */
        READS_RACE,
        /** The condition of an object that is put in pieces is not looked at. */
        NO_CONDITIONS_OF_PIECES,
        /** Giving up an object that was to be put in pieces deletes the one that was there. */
        GIVING_UP_DELETES,
        /**
         * Directories do not count for the limit of a list's page, and come again with the next.
         */
        DIRECTORIES_NOT_PAGED
    }

    /** The emulator's; what they would fail is left out. */
    protected boolean has(Defect defect) {
        return false;
    }

    /** Bytes of an object that is put in more than one piece. */
    protected abstract int severalPieces();

    private void withStore(Consumer<ObjectStore> body) {
        inWorld(w -> body.accept(w.store()));
    }

    private static byte[] bytes(int length, long seed) {
        byte[] b = new byte[length];
        new Prng(seed).nextBytes(b, 0, length);
        return b;
    }

    private static String put(ObjectStore store, String key, byte[] bytes) {
        return store.put(key, Content.of(bytes), Condition.ALWAYS);
    }

    private static byte[] get(ObjectStore store, String key) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Stored stored = store.get(key, out::write);
        byte[] bytes = out.toByteArray();
        assertEquals(bytes.length, stored.length());
        assertEquals(Content.of(bytes).crc32c(), stored.crc32c());
        Stored head = store.head(key);
        assertEquals(stored.version(), head.version());
        assertEquals(stored.length(), head.length());
        assertEquals(stored.crc32c(), head.crc32c());
        return bytes;
    }

    private static void assertFails(ErrorCode code, String named, Runnable action) {
        PageserverException e = assertThrows(PageserverException.class, action::run);
        assertEquals(code, e.code(), e.getMessage());
        assertTrue(String.valueOf(e.getMessage()).contains(named), e.getMessage());
    }

    /** All pages of a list. */
    private static List<String> list(
            ObjectStore store, String prefix, boolean recursive, int limit) {
        List<String> names = new ArrayList<>();
        String page = null;
        do {
            Listing listing = store.list(prefix, recursive, limit, page);
            List<String> found = new ArrayList<>(listing.directories());
            listing.objects().forEach(o -> found.add(o.key()));
            assertTrue(found.size() <= limit, found.size() + " of at most " + limit);
            assertEquals(0, listing.foreign());
            found.sort(null);
            assertTrue(
                    names.isEmpty()
                            || found.isEmpty()
                            || names.getLast().compareTo(found.getFirst()) < 0,
                    "pages are in order");
            names.addAll(found);
            page = listing.next();
        } while (page != null);
        return names;
    }

    @Test
    void whatIsPutIsGot() {
        withStore(store -> {
            int n = 0;
            for (int length : List.of(0, 1, 8192, 100_001, severalPieces())) {
                String key = "a/b-" + n++ + "/object_1.x";
                String version = put(store, key, bytes(length, length));
                assertArrayEquals(bytes(length, length), get(store, key));
                assertEquals(version, store.head(key).version());
            }
        });
    }

    @Test
    void partsAreGot() {
        withStore(store -> {
            byte[] whole = bytes(severalPieces(), 7);
            put(store, "k", whole);
            Prng random = new Prng(7);
            for (int i = 0; i < 20; i++) {
                int from = random.nextInt(whole.length);
                int length = Math.min(whole.length - from, random.nextInt(70_000));
                byte[] into = new byte[length + 20];
                store.get("k", from, into, 10, length);
                assertArrayEquals(
                        Arrays.copyOfRange(whole, from, from + length),
                        Arrays.copyOfRange(into, 10, 10 + length));
                assertEquals(0, into[9]);
                assertEquals(0, into[10 + length]);
            }
            byte[] last = new byte[1];
            store.get("k", whole.length - 1, last, 0, 1);
            assertEquals(whole[whole.length - 1], last[0]);
            assertFails(ErrorCode.CORRUPTION, "k", () -> store.get("k", whole.length, last, 0, 1));
            assertFails(
                    ErrorCode.CORRUPTION,
                    "k",
                    () -> store.get("k", whole.length - 10, new byte[11], 0, 11));
        });
    }

    @Test
    void whatIsNotThereIsNotFound() {
        withStore(store -> {
            assertFails(ErrorCode.NOT_FOUND, "a/k", () -> store.head("a/k"));
            assertFails(ErrorCode.NOT_FOUND, "a/k", () -> store.get("a/k", (b, o, l) -> {}));
            assertFails(ErrorCode.NOT_FOUND, "a/k", () -> store.get("a/k", 0, new byte[1], 0, 1));
            assertFails(ErrorCode.NOT_FOUND, "a/k", () -> store.copy("a/k", "a/l"));
            store.delete(List.of("a/k"));
            store.delete(List.of());
            assertEquals(List.of(), list(store, "", true, 10));
            assertEquals(List.of(), list(store, "a/", false, 10));
            put(store, "a/kk", bytes(1, 1));
            assertFails(ErrorCode.NOT_FOUND, "a/k", () -> store.head("a/k"));
        });
    }

    @Test
    void aPutReplaces() {
        withStore(store -> {
            String first = put(store, "k", bytes(50_000, 1));
            String second = put(store, "k", bytes(70, 2));
            assertNotEquals(first, second);
            assertArrayEquals(bytes(70, 2), get(store, "k"));
            put(store, "k", bytes(0, 3));
            assertArrayEquals(new byte[0], get(store, "k"));
        });
    }

    @Test
    void whatMustBeAbsentIsNotReplaced() {
        withStore(store -> {
            int large = has(Defect.NO_CONDITIONS_OF_PIECES) ? 200 : severalPieces();
            for (int length : List.of(100, large)) {
                String key = "d/" + length;
                String version = store.put(key, Content.of(bytes(length, 1)), Condition.ABSENT);
                assertFails(
                        ErrorCode.CONFLICT,
                        key,
                        () -> store.put(key, Content.of(bytes(length, 2)), Condition.ABSENT));
                assertFails(
                        ErrorCode.CONFLICT,
                        key,
                        () -> store.put(key, Content.of(bytes(length, 1)), Condition.ABSENT));
                assertArrayEquals(bytes(length, 1), get(store, key));
                assertEquals(version, store.head(key).version());
                store.delete(List.of(key));
                store.put(key, Content.of(bytes(9, 3)), Condition.ABSENT);
                assertArrayEquals(bytes(9, 3), get(store, key));
            }
        });
    }

    @Test
    void onlyTheVersionThatIsThereIsReplaced() {
        withStore(store -> {
            assertFails(
                    ErrorCode.CONFLICT,
                    "k",
                    () ->
                            store.put(
                                    "k",
                                    Content.of(bytes(1, 1)),
                                    new Condition.Version(put(store, "other", bytes(5, 5)))));
            String first = put(store, "k", bytes(100, 1));
            Condition isFirst = new Condition.Version(first);
            String second = store.put("k", Content.of(bytes(200, 2)), isFirst);
            assertNotEquals(first, second);
            assertFails(
                    ErrorCode.CONFLICT,
                    "k",
                    () -> store.put("k", Content.of(bytes(300, 3)), isFirst));
            assertArrayEquals(bytes(200, 2), get(store, "k"));
            store.put(
                    "k",
                    Content.of(bytes(severalPieces(), 4)),
                    new Condition.Version(store.head("k").version()));
            assertArrayEquals(bytes(severalPieces(), 4), get(store, "k"));
            store.delete(List.of("k"));
            assertFails(
                    ErrorCode.CONFLICT,
                    "k",
                    () -> store.put("k", Content.of(bytes(300, 3)), isFirst));
            assertFails(ErrorCode.NOT_FOUND, "k", () -> store.head("k"));
        });
    }

    @Test
    void contentThatFailsLeavesWhatWasThere() {
        withStore(store -> {
            for (int length : List.of(1000, severalPieces())) {
                Content failing =
                        new ObjectStore.Part(
                                length,
                                0,
                                (position, into, offset, count) -> {
                                    if (position + count >= length / 2) {
                                        throw PageserverException.of(ErrorCode.IO, "no disk");
                                    }
                                });
                assertFails(
                        ErrorCode.IO, "no disk", () -> store.put("new", failing, Condition.ABSENT));
                assertFails(ErrorCode.NOT_FOUND, "new", () -> store.head("new"));
                if (length > 1000 && has(Defect.GIVING_UP_DELETES)) {
                    continue;
                }
                put(store, "old", bytes(10, 1));
                assertFails(
                        ErrorCode.IO, "no disk", () -> store.put("old", failing, Condition.ALWAYS));
                assertArrayEquals(bytes(10, 1), get(store, "old"));
            }
        });
    }

    @Test
    void contentThatIsNotWhatItSaysIsRefused() {
        withStore(store -> {
            for (int length : List.of(1000, severalPieces())) {
                Content good = Content.of(bytes(length, 1));
                Content wrong = new ObjectStore.Part(length, good.crc32c() ^ 1, good::read);
                assertFails(
                        ErrorCode.CORRUPTION, "k", () -> store.put("k", wrong, Condition.ALWAYS));
                assertFails(ErrorCode.NOT_FOUND, "k", () -> store.head("k"));
            }
        });
    }

    @Test
    void whatASinkThrowsComesOut() {
        withStore(store -> {
            put(store, "k", bytes(severalPieces(), 1));
            assertFails(
                    ErrorCode.NO_SPACE,
                    "disk is full",
                    () ->
                            store.get(
                                    "k",
                                    (b, o, l) -> {
                                        throw PageserverException.of(
                                                ErrorCode.NO_SPACE, "the disk is full");
                                    }));
            assertArrayEquals(bytes(severalPieces(), 1), get(store, "k"));
        });
    }

    @Test
    void deletingDeletesAndCanBeRepeated() {
        withStore(store -> {
            for (int i = 0; i < 5; i++) {
                put(store, "d/k" + i, bytes(i, i));
            }
            List<String> many = new ArrayList<>();
            for (int i = 0; i < 1200; i++) {
                many.add(i % 400 == 0 ? "d/k" + i / 400 : "d/none-" + i);
            }
            store.delete(many);
            assertEquals(List.of("d/k3", "d/k4"), list(store, "", true, 10));
            assertFails(ErrorCode.NOT_FOUND, "d/k0", () -> store.head("d/k0"));
            store.delete(List.of("d/k3", "d/k4", "d/k3"));
            assertEquals(List.of(), list(store, "", false, 10));
        });
    }

    @Test
    void aCopyIsTheSameObject() {
        withStore(store -> {
            put(store, "a/k", bytes(severalPieces(), 1));
            put(store, "b/c/l", bytes(10, 2));
            store.copy("a/k", "b/c/l");
            store.copy("a/k", "b/m");
            store.delete(List.of("a/k"));
            assertArrayEquals(bytes(severalPieces(), 1), get(store, "b/c/l"));
            assertArrayEquals(bytes(severalPieces(), 1), get(store, "b/m"));
            put(store, "b/m", bytes(10, 3));
            assertArrayEquals(bytes(severalPieces(), 1), get(store, "b/c/l"));
        });
    }

    @Test
    void badKeysAreRefused() {
        withStore(store -> {
            put(store, "f", bytes(1, 1));
            for (String key :
                    List.of(
                            "",
                            "/",
                            "/f",
                            "f/",
                            "a//f",
                            ".",
                            "..",
                            "../f",
                            "a/../f",
                            "a/./f",
                            ".tmp/f",
                            "a/f.",
                            "a\\f",
                            "a\0f",
                            "a b",
                            "a%2ff",
                            "\u00e4",
                            "x".repeat(ObjectStore.LONGEST_PART + 1),
                            "x/".repeat(ObjectStore.LONGEST_KEY / 2) + "yy")) {
                Consumer<Runnable> refused = r -> assertFails(ErrorCode.BAD_REQUEST, "key", r);
                refused.accept(() -> put(store, key, bytes(1, 1)));
                refused.accept(() -> store.get(key, (b, o, l) -> {}));
                refused.accept(() -> store.get(key, 0, new byte[1], 0, 1));
                refused.accept(() -> store.head(key));
                refused.accept(() -> store.delete(List.of("f", key)));
                refused.accept(() -> store.copy("f", key));
                refused.accept(() -> store.copy(key, "g"));
            }
            for (String prefix : List.of("/", "../", "a//", "a/../b", "a*", "./")) {
                assertFails(ErrorCode.BAD_REQUEST, "key", () -> store.list(prefix, true, 10, null));
            }
            assertEquals(List.of("f"), list(store, "", true, 10));
        });
    }

    @Test
    void theLongestKeysAreTaken() {
        withStore(store -> {
            String part = "x".repeat(ObjectStore.LONGEST_PART);
            String key = part + "/" + part + "/";
            key += "y".repeat(ObjectStore.LONGEST_KEY - key.length());
            put(store, key, bytes(10, 1));
            assertArrayEquals(bytes(10, 1), get(store, key));
            assertEquals(List.of(key), list(store, part + "/", true, 10));
        });
    }

    @Test
    void listsAreWhatAModelSays() {
        withStore(store -> {
            Prng random = new Prng(17);
            TreeMap<String, Integer> model = new TreeMap<>();
            List<String> parts = List.of("a", "ab", "b", "a-b", "a.b", "A", "b_", "0");
            for (int i = 0; i < 40; i++) {
                String directory = parts.get(random.nextInt(4)) + "_d/";
                String below = random.nextBoolean() ? parts.get(random.nextInt(8)) + "_e/" : "";
                String key = directory + below + parts.get(random.nextInt(8));
                put(store, key, bytes(i, i));
                model.put(key, i);
            }
            TreeSet<String> prefixes = new TreeSet<>(List.of("", "c", "a_d"));
            model.keySet().forEach(k -> prefixes.add(k.substring(0, k.length() / 2)));
            model.keySet().forEach(k -> prefixes.add(k.substring(0, k.lastIndexOf('/') + 1)));
            for (String prefix : prefixes) {
                List<String> all =
                        model.keySet().stream().filter(k -> k.startsWith(prefix)).toList();
                List<String> level =
                        all.stream().map(k -> level(k, prefix)).distinct().sorted().toList();
                int limit = 1 + random.nextInt(12);
                assertEquals(all, list(store, prefix, true, limit), prefix);
                int levelLimit = has(Defect.DIRECTORIES_NOT_PAGED) ? 1000 : limit;
                assertEquals(level, list(store, prefix, false, levelLimit), prefix);
            }
            for (Entry e : store.list("", true, 1000, null).objects()) {
                assertEquals(String.valueOf(model.get(e.key())), Long.toString(e.length()));
                assertTrue(e.modifiedMillis() > 0, e.toString());
            }
        });
    }

    private static String level(String key, String prefix) {
        int slash = key.indexOf('/', prefix.length());
        return slash < 0 ? key : key.substring(0, slash + 1);
    }

    @Test
    void ofManyWhoCreateOneSucceeds() {
        Assumptions.assumeFalse(has(Defect.CONDITIONS_RACE), "conditions are not atomic here");
        inWorld(w -> {
            for (int round = 0; round < 5; round++) {
                String key = "claims/" + round;
                @Nullable String[] won = new String[6];
                List<Tasks.Task> tasks = new ArrayList<>();
                for (int i = 0; i < won.length; i++) {
                    int me = i;
                    tasks.add(
                            w.tasks()
                                    .spawn(
                                            Tasks.Lane.LATENCY,
                                            "claim " + i,
                                            () -> won[me] = claim(w.store(), key, me)));
                }
                tasks.forEach(Tasks.Task::join);
                List<Integer> winners = new ArrayList<>();
                for (int i = 0; i < won.length; i++) {
                    if (won[i] != null) {
                        winners.add(i);
                    }
                }
                assertEquals(1, winners.size(), winners.toString());
                int winner = winners.getFirst();
                assertArrayEquals(bytes(100, winner), get(w.store(), key));
                assertEquals(won[winner], w.store().head(key).version());
            }
        });
    }

    private static @Nullable String claim(ObjectStore store, String key, int by) {
        try {
            return store.put(key, Content.of(bytes(100, by)), Condition.ABSENT);
        } catch (PageserverException e) {
            assertEquals(ErrorCode.CONFLICT, e.code(), e.getMessage());
            return null;
        }
    }

    @Test
    void noReplacementByVersionIsLost() {
        Assumptions.assumeFalse(has(Defect.CONDITIONS_RACE), "conditions are not atomic here");
        inWorld(w -> {
            put(w.store(), "counter", new byte[1]);
            List<Tasks.Task> tasks = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                tasks.add(
                        w.tasks()
                                .spawn(
                                        Tasks.Lane.LATENCY,
                                        "count " + i,
                                        () -> {
                                            for (int n = 0; n < 5; n++) {
                                                increment(w.store(), "counter");
                                            }
                                        }));
            }
            tasks.forEach(Tasks.Task::join);
            assertEquals(20, get(w.store(), "counter")[0]);
        });
    }

    private static void increment(ObjectStore store, String key) {
        while (true) {
            ByteArrayOutputStream read = new ByteArrayOutputStream();
            Stored seen = store.get(key, read::write);
            byte[] next = read.toByteArray();
            next[0]++;
            try {
                store.put(key, Content.of(next), new Condition.Version(seen.version()));
                return;
            } catch (PageserverException e) {
                assertEquals(ErrorCode.CONFLICT, e.code(), e.getMessage());
            }
        }
    }

    @Test
    void whoReadsSeesOneObjectWhole() {
        Assumptions.assumeFalse(has(Defect.READS_RACE), "reads are not atomic here");
        inWorld(w -> {
            put(w.store(), "k", bytes(40_000, 0));
            Tasks.Task writer =
                    w.tasks()
                            .spawn(
                                    Tasks.Lane.LATENCY,
                                    "writer",
                                    () -> {
                                        for (int i = 1; i <= 10; i++) {
                                            put(w.store(), "k", bytes(40_000 + i, i));
                                        }
                                    });
            int last = 0;
            do {
                ByteArrayOutputStream read = new ByteArrayOutputStream();
                w.store().get("k", read::write);
                byte[] b = read.toByteArray();
                int seen = b.length - 40_000;
                assertArrayEquals(bytes(40_000 + seen, seen), b);
                assertTrue(seen >= last, seen + " after " + last);
                last = seen;
            } while (!writer.isDone());
            writer.join();
            assertNull(w.store().list("", true, 10, null).next());
        });
    }
}
