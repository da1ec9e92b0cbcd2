package io.palimpsest.server.cli;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TextChecksum;
import io.palimpsest.port.ObjectStore.Entry;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Which objects were read back whole, and when: what {@code store verify --since-last} need not
 * read again. Text, a line each and a checksum of all of them in the last; see docs/formats.md.
 */
final class Proofs {
    private static final String MAGIC = "palimpsest proofs 1";

    /**
     * An object was what it should be.
     *
     * @param modifiedMillis when it was put, by the store's clock; to the second
     * @param provedMillis when that was found, by ours
     */
    record Proof(long length, int crc32c, long modifiedMillis, long provedMillis) {
        /** Whether what a list shows can be the object that was read. */
        boolean holds(Entry now) {
            return now.length() == length
                    && seconds(now.modifiedMillis()) == seconds(modifiedMillis);
        }

        /** Some answers of a store have milliseconds, others of the same store none. */
        private static long seconds(long millis) {
            return Math.floorDiv(millis, 1000);
        }

        boolean since(Instant earliest) {
            return provedMillis >= earliest.toEpochMilli();
        }
    }

    private final TreeMap<String, Proof> all = new TreeMap<>();
    private final TreeSet<String> disproved = new TreeSet<>();

    int size() {
        return all.size();
    }

    @Nullable Proof find(String key) {
        return all.get(key);
    }

    void add(String key, Proof proof) {
        all.put(key, proof);
    }

    /** What was proved of it holds no longer, whoever has proved it. */
    void disprove(String key) {
        all.remove(key);
        disproved.add(key);
    }

    void removeIf(Predicate<String> gone) {
        all.keySet().removeIf(gone);
    }

    /** Takes over what somebody else has proved meanwhile, where that is later. */
    void merge(Proofs other) {
        other.all.forEach((key, theirs) -> {
            if (!disproved.contains(key)) {
                all.merge(key, theirs, (a, b) -> a.provedMillis >= b.provedMillis ? a : b);
            }
        });
    }

    byte[] encode() {
        StringBuilder s = new StringBuilder(64 + all.size() * 256);
        s.append(MAGIC).append('\n');
        for (Map.Entry<String, Proof> e : all.entrySet()) {
            Proof proof = e.getValue();
            s.append(Instant.ofEpochMilli(proof.provedMillis)).append(' ');
            s.append(proof.length).append(' ');
            s.append(String.format(Locale.ROOT, "%08x", proof.crc32c)).append(' ');
            s.append(Instant.ofEpochMilli(proof.modifiedMillis)).append(' ');
            s.append(e.getKey()).append('\n');
        }
        String checksum = TextChecksum.of(s.toString());
        s.append("crc32c ").append(checksum).append('\n');
        return s.toString().getBytes(StandardCharsets.UTF_8);
    }

    /**
     * @param where a file's or an object's name
     * @throws PageserverException PRECONDITION_FAILED if it is not what {@link #encode} makes: that
     *     says nothing about the store's layers, so it is no corruption of theirs
     */
    static Proofs decode(byte[] bytes, String where) {
        String text = new String(bytes, StandardCharsets.UTF_8);
        if (!text.startsWith(MAGIC + "\n")) {
            throw damaged(where, 1, "'" + MAGIC + "'", text.lines().findFirst().orElse(""), null);
        }
        int last = text.lastIndexOf("crc32c ");
        String[] lines = text.split("\n");
        String expected = last < 0 ? "" : "crc32c " + TextChecksum.of(text.substring(0, last));
        if (last < 0 || !text.substring(last).equals(expected + "\n")) {
            String what = last < 0 ? "a checksum" : "'" + expected + "'";
            throw damaged(where, lines.length, what, lines[lines.length - 1], null);
        }
        Proofs proofs = new Proofs();
        for (int i = 1; i < lines.length - 1; i++) {
            String[] words = lines[i].split(" ");
            try {
                proofs.add(
                        words[4],
                        new Proof(
                                Long.parseLong(words[1]),
                                Integer.parseUnsignedInt(words[2], 16),
                                Instant.parse(words[3]).toEpochMilli(),
                                Instant.parse(words[0]).toEpochMilli()));
            } catch (DateTimeParseException | NumberFormatException | IndexOutOfBoundsException e) {
                throw damaged(where, i + 1, "TIME LENGTH CRC32C TIME KEY", lines[i], e);
            }
        }
        return proofs;
    }

    private static PageserverException damaged(
            String where, int line, String expected, String found, @Nullable Throwable cause) {
        String message =
                "%s, line %d: expected %s, found '%s'; it is no record of what was verified, or a damaged one: delete it, and all is read anew"
                        .formatted(
                                where,
                                line,
                                expected,
                                found.length() > 200 ? found.substring(0, 200) + "..." : found);
        return cause == null
                ? new PageserverException(ErrorCode.PRECONDITION_FAILED, message)
                : new PageserverException(ErrorCode.PRECONDITION_FAILED, message, cause);
    }
}
