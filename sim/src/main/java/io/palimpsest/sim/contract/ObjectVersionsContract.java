package io.palimpsest.sim.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Condition;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.ObjectStore.Stored;
import io.palimpsest.port.ObjectVersions;
import io.palimpsest.port.ObjectVersions.Version;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;

/** What every store does that keeps versions. */
public abstract class ObjectVersionsContract {
    /** Runs the body with an empty store (or an empty place in one), and its versions. */
    protected abstract void withStore(BiConsumer<ObjectStore, ObjectVersions> body);

    private static byte[] put(ObjectStore store, String key, int length, int value) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        String _ = store.put(key, Content.of(bytes), Condition.ALWAYS);
        return bytes;
    }

    private static List<Version> all(ObjectVersions versions, String prefix) {
        List<Version> all = new ArrayList<>();
        String page = null;
        do {
            ObjectVersions.Page found = versions.versions(prefix, page);
            all.addAll(found.versions());
            page = found.next();
        } while (page != null);
        return all;
    }

    private static byte[] get(ObjectVersions versions, Version version) {
        ByteArrayOutputStream got = new ByteArrayOutputStream();
        Stored stored = versions.get(version.key(), version.id(), got::write);
        assertEquals(version.length(), stored.length());
        assertEquals(Content.of(got.toByteArray()).crc32c(), stored.crc32c());
        return got.toByteArray();
    }

    @Test
    void whatWasReplacedOrDeletedIsStillThere() {
        withStore((store, versions) -> {
            byte[] first = put(store, "a/b", 10, 1);
            byte[] second = put(store, "a/b", 20, 2);
            store.delete(List.of("a/b"));
            byte[] other = put(store, "a/c", 30, 3);
            List<Version> all = all(versions, "a/");
            assertEquals(
                    List.of("a/b", "a/b", "a/b", "a/c"), all.stream().map(Version::key).toList());
            assertTrue(all.getFirst().deletion());
            assertFalse(all.get(1).deletion());
            assertArrayEquals(second, get(versions, all.get(1)));
            assertArrayEquals(first, get(versions, all.get(2)));
            assertArrayEquals(other, get(versions, all.get(3)));
            assertTrue(all.get(2).modifiedMillis() <= all.get(1).modifiedMillis());
            assertEquals(4, new TreeSet<>(all.stream().map(Version::id).toList()).size());
            assertEquals(List.of(), all(versions, "b"));
        });
    }

    @Test
    void aVersionIsCopiedToAnotherKey() {
        withStore((store, versions) -> {
            byte[] first = put(store, "k", 10, 1);
            byte[] second = put(store, "k", 20, 2);
            store.delete(List.of("k"));
            List<Version> all = all(versions, "k");
            versions.copy("k", all.get(2).id(), "first");
            versions.copy("k", all.get(1).id(), "second");
            ByteArrayOutputStream got = new ByteArrayOutputStream();
            assertEquals(first.length, store.get("first", got::write).length());
            assertEquals(second.length, store.get("second", got::write).length());
            assertEquals(
                    ErrorCode.NOT_FOUND,
                    assertThrows(PageserverException.class, () -> store.head("k")).code());
        });
    }

    @Test
    void manyComeInPages() {
        withStore((store, versions) -> {
            for (int i = 0; i < 25; i++) {
                put(store, String.format(Locale.ROOT, "k%02d", i / 3), 1 + i, 1);
            }
            List<Version> all = all(versions, "k");
            assertEquals(25, all.size());
            for (int i = 1; i < 25; i++) {
                Version before = all.get(i - 1);
                Version version = all.get(i);
                int order = before.key().compareTo(version.key());
                assertTrue(
                        order < 0 || order == 0 && before.length() > version.length(),
                        before + ", " + version);
            }
        });
    }
}
