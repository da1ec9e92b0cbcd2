package io.palimpsest.pg;

import io.palimpsest.base.Check;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * On which of the cluster's own timelines its WAL is. After a promotion PostgreSQL goes on under a
 * new number, from where the WAL of the one before was replayed to; what that one has written
 * beyond is no part of the cluster's history any more.
 *
 * <pre>
 *   timeline 1  ----------------+ 0/5000A8 - - - -  (a tail that was lost)
 *   timeline 2                  +-----------+ 0/9001F0
 *   timeline 3                              +---------------
 * </pre>
 *
 * The file that a server keeps of it has a line for each ended timeline: its number, where it
 * ended, the reason. Source: PostgreSQL's timeline.c, and "The Timeline History File" in its
 * documentation.
 *
 * @param timelineId the timeline that the WAL is on now
 * @param past the ended ones, oldest first; what is before the first is not known
 */
public record WalHistory(int timelineId, List<Ended> past) {
    /** A longer file is none of it. */
    public static final int LONGEST_FILE = 1 << 20;

    private static final int MAX_LINES = 100_000;
    private static final Pattern FILE = Pattern.compile("[0-9A-F]{8}\\.history");

    /**
     * A timeline that was left.
     *
     * @param lsn where the next one goes on: the end of the last record on this one
     */
    public record Ended(int timelineId, long lsn) {
        private static final Ended NONE = new Ended(0, 0);

        /** May it come after that one, and before the timeline that the WAL is on? */
        private boolean isBetween(Ended before, int newest) {
            return Integer.compareUnsigned(before.timelineId, timelineId) < 0
                    && Integer.compareUnsigned(timelineId, newest) < 0
                    && Long.compareUnsigned(before.lsn, lsn) <= 0;
        }
    }

    public WalHistory {
        past = List.copyOf(past);
        if (!isHistory(timelineId, past)) {
            Check.that(
                    false,
                    "WAL timeline %s after %s",
                    Integer.toUnsignedString(timelineId),
                    past.toString());
        }
    }

    /** Do these follow one another, up to that timeline? */
    public static boolean isHistory(int timelineId, List<Ended> past) {
        Ended last = Ended.NONE;
        for (Ended e : past) {
            if (!e.isBetween(last, timelineId)) {
                return false;
            }
            last = e;
        }
        return true;
    }

    /** Of a cluster of which no more is known. */
    public static WalHistory on(int timelineId) {
        return new WalHistory(timelineId, List.of());
    }

    /**
     * A server's history file.
     *
     * @throws PageserverException CORRUPTION if it is none
     */
    public static WalHistory parse(int timelineId, String file) {
        List<Ended> past = new ArrayList<>();
        int number = 0;
        for (String line : file.split("\n", MAX_LINES)) {
            number++;
            String text = line.strip();
            if (text.isEmpty() || text.startsWith("#")) {
                continue;
            }
            String[] words = text.split("\\s+", 3);
            Ended ended = words.length < 2 ? null : ended(words[0], words[1]);
            Ended last = past.isEmpty() ? Ended.NONE : past.getLast();
            if (ended == null || !ended.isBetween(last, timelineId)) {
                throw PageserverException.corruption(
                        "history of WAL timeline %s, line %d: expected a timeline and the LSN it ended at, both ascending, found '%.60s'",
                        Integer.toUnsignedString(timelineId), number, text);
            }
            past.add(ended);
        }
        return new WalHistory(timelineId, past);
    }

    private static @Nullable Ended ended(String timeline, String lsn) {
        try {
            return new Ended(Integer.parseUnsignedInt(timeline), Lsn.parse(lsn).value());
        } catch (NumberFormatException | PageserverException e) {
            return null;
        }
    }

    /** The timeline that the WAL is on ends there, and that one goes on. */
    public WalHistory promoted(int nextTimeline, long lsn) {
        List<Ended> all = new ArrayList<>(past);
        all.add(new Ended(timelineId, lsn));
        return new WalHistory(nextTimeline, all);
    }

    /** Where a timeline before this one ended; -1 if it is none of them. */
    public long end(int timeline) {
        for (Ended e : past) {
            if (e.timelineId == timeline) {
                return e.lsn;
            }
        }
        return -1;
    }

    /** What the file is called that a server has of it. */
    public String fileName() {
        return fileName(timelineId);
    }

    /** The same of any timeline. */
    public static String fileName(int timelineId) {
        return String.format(Locale.ROOT, "%08X.history", timelineId);
    }

    /** Is a file called so? */
    public static boolean isFileName(String name) {
        return FILE.matcher(name).matches();
    }

    /** Of which timeline a file of that name is the history. */
    public static int timelineOf(String fileName) {
        return Integer.parseUnsignedInt(fileName, 0, 8, 16);
    }

    /**
     * Of whose files a segment is: the newest timeline that begins before its end has all of it.
     */
    public int timelineOfSegment(long number, int segmentSize) {
        return from((number + 1) * segmentSize - 1).timelineId;
    }

    /** What a server would have in its file. */
    public String text() {
        StringBuilder s = new StringBuilder();
        for (Ended e : past) {
            s.append(Integer.toUnsignedString(e.timelineId)).append('\t');
            s.append(Lsn.toString(e.lsn)).append("\tno recovery target specified\n");
        }
        return s.toString();
    }

    /** Where the timeline that the WAL is on began; 0 if that is not known. */
    public long begin() {
        return past.isEmpty() ? 0 : past.getLast().lsn;
    }

    /** The same up to an LSN: what ended there or later has not ended. */
    public WalHistory upTo(long lsn) {
        return cut(lsn, false);
    }

    /** The same of WAL that goes on at an LSN: what ended there has ended. */
    public WalHistory from(long lsn) {
        return cut(lsn, true);
    }

    private WalHistory cut(long lsn, boolean endedThere) {
        for (int i = 0; i < past.size(); i++) {
            int order = Long.compareUnsigned(past.get(i).lsn, lsn);
            if (order > 0 || order == 0 && !endedThere) {
                return new WalHistory(past.get(i).timelineId, past.subList(0, i));
            }
        }
        return this;
    }

    /** Up to where two servers' WAL is the same, as far as their histories tell; -1: all of it. */
    public long common(WalHistory other) {
        List<Ended> mine = segments();
        List<Ended> its = other.segments();
        int m = 0;
        int o = 0;
        // Of which less is known, is not contradicted by what came before.
        while (m < mine.size() && before(mine.get(m), its.getFirst())) {
            m++;
        }
        while (o < its.size() && before(its.get(o), mine.getFirst())) {
            o++;
        }
        long end = 0;
        while (m < mine.size() && o < its.size()) {
            Ended a = mine.get(m++);
            Ended b = its.get(o++);
            if (a.timelineId != b.timelineId) {
                return end;
            }
            if (a.lsn != b.lsn) {
                return Long.compareUnsigned(a.lsn, b.lsn) < 0 ? a.lsn : b.lsn;
            }
            end = a.lsn;
        }
        return end;
    }

    private static boolean before(Ended a, Ended b) {
        return Integer.compareUnsigned(a.timelineId, b.timelineId) < 0;
    }

    private List<Ended> segments() {
        List<Ended> all = new ArrayList<>(past);
        all.add(new Ended(timelineId, -1L));
        return all;
    }
}
