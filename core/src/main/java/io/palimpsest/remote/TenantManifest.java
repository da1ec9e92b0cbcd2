package io.palimpsest.remote;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.FormatVersion;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantSetting;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TextChecksum;
import io.palimpsest.base.TimelineId;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The object that says what timelines a tenant has, as the holder of a generation has written it.
 * It begins as a <b>bare claim</b>, which says only who holds the generation; then it is not
 * complete, and nothing else of that generation is in the store.
 *
 * @param nonce what nobody else would have put: tells whose claim it is
 * @param claimedMillis when, since 1970, by the claimant's clock; for people
 * @param config what the tenant has of its own; nothing if it is not COMPLETE
 * @param timelines by id, each once; none if it is not COMPLETE
 */
public record TenantManifest(
        TenantShardId tenant,
        Generation generation,
        long nonce,
        long claimedMillis,
        State state,
        TenantOverrides config,
        List<Entry> timelines) {
    private static final String MARK = "palimpsest tenant manifest ";

    /** Of a tenant that is deleted: who does not know of deletion refuses it. */
    private static final int NEWEST = 2;

    /** What a manifest says of its tenant. */
    public enum State {
        /** Only who holds the generation. */
        BARE("no"),
        /** What timelines there are. */
        COMPLETE("yes"),
        /** That nothing of the tenant is needed: whoever reads it deletes all of it. */
        DELETING("deleting"),
        /** That all of it was deleted. */
        DELETED("deleted");

        private final String word;

        State(String word) {
            this.word = word;
        }

        private static State of(String word) {
            for (State state : values()) {
                if (state.word.equals(word)) {
                    return state;
                }
            }
            throw new IllegalArgumentException("complete " + word);
        }

        /** Is there no tenant any more? */
        public boolean gone() {
            return this == DELETING || this == DELETED;
        }

        private int version() {
            return gone() ? NEWEST : 1;
        }
    }

    /**
     * A timeline.
     *
     * @param index generation of its newest index, when this was written; the generation of the
     *     manifest itself may have one by now, which then is newer
     * @param deleting nothing of it is needed
     * @param source whom it follows, in one line; null if nobody
     */
    public record Entry(
            TimelineId id, Generation index, boolean deleting, @Nullable String source) {
        public Entry {
            Check.that(
                    source == null || source.chars().noneMatch(c -> c < ' '),
                    "a source of more than one line");
        }

        /** The same, being deleted. */
        public Entry deleted() {
            return new Entry(id, index, true, source);
        }
    }

    public TenantManifest {
        timelines = timelines.stream().sorted(Comparator.comparing(Entry::id)).toList();
        Check.that(
                state == State.COMPLETE || timelines.isEmpty() && config.isEmpty(),
                "a manifest that is %s, and says more",
                state);
        for (int i = 1; i < timelines.size(); i++) {
            Check.that(
                    !timelines.get(i - 1).id().equals(timelines.get(i).id()),
                    "timeline %s twice",
                    timelines.get(i).id());
        }
    }

    /** The claim of a generation. */
    public static TenantManifest bare(
            TenantShardId tenant, Generation generation, long nonce, long claimedMillis) {
        return new TenantManifest(
                tenant,
                generation,
                nonce,
                claimedMillis,
                State.BARE,
                TenantOverrides.NONE,
                List.of());
    }

    /** Does it say something, as opposed to a bare claim? */
    public boolean complete() {
        return state != State.BARE;
    }

    /** Nothing of the tenant is needed from now on. */
    public TenantManifest deleting() {
        return gone(State.DELETING);
    }

    /** All of it is deleted. */
    public TenantManifest deleted() {
        return gone(State.DELETED);
    }

    private TenantManifest gone(State next) {
        return new TenantManifest(
                tenant, generation, nonce, claimedMillis, next, TenantOverrides.NONE, List.of());
    }

    /** The claim has become a manifest, of these timelines. */
    public TenantManifest complete(TenantOverrides own, List<Entry> all) {
        return new TenantManifest(
                tenant, generation, nonce, claimedMillis, State.COMPLETE, own, all);
    }

    /** With that as what the tenant has of its own. */
    public TenantManifest with(TenantOverrides own) {
        return complete(own, timelines);
    }

    /** With an entry in place of the one of that timeline, if there is one. */
    public TenantManifest with(Entry entry) {
        List<Entry> all = new ArrayList<>(without(entry.id()).timelines);
        all.add(entry);
        return complete(config, all);
    }

    public TenantManifest without(TimelineId timeline) {
        return complete(config, timelines.stream().filter(e -> !e.id().equals(timeline)).toList());
    }

    /** One fact a line, the last line a checksum of all before it; see docs/formats.md. */
    public byte[] encode() {
        StringBuilder s = new StringBuilder(256 + timelines.size() * 128);
        s.append(MARK).append(state.version()).append('\n');
        s.append("tenant ").append(tenant).append('\n');
        s.append("generation ").append(generation).append('\n');
        s.append(String.format(Locale.ROOT, "nonce %016x\n", nonce));
        s.append("claimed ").append(claimedMillis).append('\n');
        s.append("complete ").append(state.word).append('\n');
        s.append(config.lines());
        for (Entry e : timelines) {
            s.append("timeline ").append(e.id()).append(' ').append(e.index());
            s.append(e.deleting() ? " deleting" : " there");
            s.append(e.source() == null ? "" : " " + e.source()).append('\n');
        }
        String checksum = TextChecksum.of(s.toString());
        s.append("crc32c ").append(checksum).append('\n');
        return s.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** CORRUPTION, naming {@code key}, if the bytes are anything but what {@link #encode} makes. */
    public static TenantManifest decode(byte[] bytes, String key) {
        String text = new String(bytes, StandardCharsets.UTF_8);
        int last = text.lastIndexOf("crc32c ");
        if (last < 0 || !text.endsWith("\n")) {
            throw PageserverException.corruption(
                    "%s: expected a checksum in the last line, found none in %d bytes",
                    key, bytes.length);
        }
        String expected = "crc32c " + TextChecksum.of(text.substring(0, last)) + "\n";
        if (!text.substring(last).equals(expected)) {
            throw PageserverException.corruption(
                    "%s: expected the checksum of all before in the last line, '%s', found '%.15s'",
                    key, expected.strip(), text.substring(last).strip());
        }
        TenantManifest found;
        try {
            found = parse(text.split("\n"), key);
        } catch (PageserverException | IllegalArgumentException | IndexOutOfBoundsException e) {
            throw new PageserverException(
                    ErrorCode.CORRUPTION, key + ": no manifest: " + e.getMessage(), e);
        }
        if (!new String(found.encode(), StandardCharsets.UTF_8).equals(text)) {
            throw PageserverException.corruption(
                    "%s: a manifest that is not written as it should be", key);
        }
        return found;
    }

    private static TenantManifest parse(String[] lines, String key) {
        FormatVersion.refuseLater(key, MARK, NEWEST, lines[0]);
        if (!lines[0].startsWith(MARK)) {
            throw PageserverException.corruption(
                    "%s: expected '%s' in the first line, found '%s'", key, MARK + 1, lines[0]);
        }
        TreeMap<TenantSetting, Long> config = new TreeMap<>();
        int first = 6;
        while (lines[first].startsWith("config ")) {
            TenantOverrides.parse(lines[first], config);
            first++;
        }
        List<Entry> entries = new ArrayList<>();
        for (int i = first; i < lines.length - 1; i++) {
            String[] e = value(lines[i], "timeline").split(" ", 4);
            boolean deleting = e[2].equals("deleting");
            entries.add(
                    new Entry(
                            TimelineId.parse(e[0]),
                            generation(e[1]),
                            deleting,
                            e.length == 4 ? e[3] : null));
        }
        State state = State.of(value(lines[5], "complete"));
        if (state != State.COMPLETE && !(entries.isEmpty() && config.isEmpty())) {
            throw PageserverException.corruption("%s: %s, and says more", key, lines[5]);
        }
        return new TenantManifest(
                TenantShardId.parse(value(lines[1], "tenant")),
                generation(value(lines[2], "generation")),
                Long.parseUnsignedLong(value(lines[3], "nonce"), 16),
                Long.parseLong(value(lines[4], "claimed")),
                state,
                new TenantOverrides(config),
                entries);
    }

    private static Generation generation(String text) {
        int value = Integer.parseInt(text, 16);
        if (value <= 0) {
            throw new NumberFormatException("generation " + text);
        }
        return new Generation(value);
    }

    private static String value(String line, String name) {
        if (!line.startsWith(name + " ")) {
            throw PageserverException.corruption("expected '%s ...', found '%s'", name, line);
        }
        return line.substring(name.length() + 1);
    }
}
