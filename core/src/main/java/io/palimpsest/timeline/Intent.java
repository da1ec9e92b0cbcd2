package io.palimpsest.timeline;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.FormatVersion;
import io.palimpsest.base.Label;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TextChecksum;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Disk;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Long work that somebody has asked for and that goes on after a restart, as it is written down in
 * the tenant's directory until it is done, cancelled or refused (decision 0130). Whom an import
 * follows, and by what password, is not in it: that is the source's file.
 *
 * @param kind IMPORT, DETACH_ANCESTOR or WARM_UP
 * @param begunMillis when it was asked for, since 1970
 * @param siblings of a detachment: they are to hang on it
 * @param atOnce of a warm-up: so many layers at a time; else 0
 * @param name of an import: what the timeline is to be called, or null
 * @param slotIsOurs of an import: the slot was made for it, and goes if it comes to nothing
 * @param ending of an import: it has come to nothing, and is being cleared away
 */
public record Intent(
        Operation.Kind kind,
        TimelineId timeline,
        long begunMillis,
        boolean siblings,
        int atOnce,
        @Nullable Label name,
        boolean slotIsOurs,
        boolean ending) {
    private static final String MARK = "palimpsest intent ";
    private static final int NEWEST = 1;
    private static final int MOST = 1024;

    public Intent {
        boolean importing = kind == Operation.Kind.IMPORT;
        Check.that(
                importing
                        || kind == Operation.Kind.DETACH_ANCESTOR
                        || kind == Operation.Kind.WARM_UP,
                "%s does not go on after a restart",
                kind);
        Check.that(importing || name == null && !slotIsOurs && !ending, "%s, and a slot", kind);
        Check.that(kind == Operation.Kind.DETACH_ANCESTOR || !siblings, "%s, and siblings", kind);
        Check.that(kind == Operation.Kind.WARM_UP ? atOnce > 0 : atOnce == 0, "%d at once", atOnce);
    }

    public static Intent toImport(TimelineId timeline, long nowMillis, @Nullable Label name) {
        return new Intent(Operation.Kind.IMPORT, timeline, nowMillis, false, 0, name, false, false);
    }

    public static Intent toDetach(TimelineId timeline, long nowMillis, boolean siblings) {
        return new Intent(
                Operation.Kind.DETACH_ANCESTOR,
                timeline,
                nowMillis,
                siblings,
                0,
                null,
                false,
                false);
    }

    public static Intent toWarmUp(TimelineId timeline, long nowMillis, int atOnce) {
        return new Intent(
                Operation.Kind.WARM_UP, timeline, nowMillis, false, atOnce, null, false, false);
    }

    /** The slot is there, or may be, and nobody else has made it. */
    Intent withSlot(boolean ours) {
        return new Intent(kind, timeline, begunMillis, siblings, atOnce, name, ours, ending);
    }

    /** It has come to nothing. */
    Intent toEnd() {
        return new Intent(kind, timeline, begunMillis, siblings, atOnce, name, slotIsOurs, true);
    }

    // ---- on the disk ----

    private static String directory(TenantShardId tenant) {
        return TimelineStore.ROOT + "/" + tenant + "/intents";
    }

    private static String file(Operation.Kind kind, TimelineId timeline) {
        return kind.name().toLowerCase(Locale.ROOT) + "-" + timeline;
    }

    private String text() {
        StringBuilder s = new StringBuilder(MARK).append(NEWEST).append('\n');
        s.append("kind ").append(kind.name().toLowerCase(Locale.ROOT)).append('\n');
        s.append("timeline ").append(timeline).append('\n');
        s.append("begun_ms ").append(begunMillis).append('\n');
        if (siblings) {
            s.append("siblings yes\n");
        }
        if (atOnce > 0) {
            s.append("at_once ").append(atOnce).append('\n');
        }
        if (name != null) {
            s.append("name ").append(name).append('\n');
        }
        if (slotIsOurs) {
            s.append("slot ours\n");
        }
        if (ending) {
            s.append("ending yes\n");
        }
        String checksum = TextChecksum.of(s.toString());
        return s.append("crc32c ").append(checksum).append('\n').toString();
    }

    /** Durable when it returns; nothing is left of it if there is no room. */
    void write(Disk disk, TenantShardId tenant) {
        String file = file(kind, timeline);
        try {
            TextFile.replace(disk, directory(tenant), file, text());
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.NO_SPACE) {
                disk.delete(directory(tenant) + "/" + file + TimelineIndex.TEMPORARY_SUFFIX);
            }
            throw e;
        }
    }

    /** Durably not intended any more when it returns. */
    static void remove(Disk disk, TenantShardId tenant, Operation.Kind kind, TimelineId timeline) {
        String path = directory(tenant) + "/" + file(kind, timeline);
        if (disk.exists(path)) {
            disk.delete(path);
            disk.syncDirectory(directory(tenant));
        }
    }

    /** Nothing is intended any more of a tenant that is not owned here. */
    static void removeAll(Disk disk, TenantShardId tenant) {
        disk.deleteTree(directory(tenant));
    }

    /** What is written down of one; null if nothing is, or it cannot be read. */
    static @Nullable Intent find(
            Disk disk, TenantShardId tenant, Operation.Kind kind, TimelineId timeline) {
        try {
            return read(disk, directory(tenant) + "/" + file(kind, timeline));
        } catch (PageserverException e) {
            return null;
        }
    }

    /**
     * All of a tenant.
     *
     * @param damaged is told the path of each that cannot be read, which stays, and why
     */
    static List<Intent> all(
            Disk disk, TenantShardId tenant, BiConsumer<String, PageserverException> damaged) {
        List<Intent> all = new ArrayList<>();
        for (String name : disk.list(directory(tenant))) {
            String path = directory(tenant) + "/" + name;
            if (name.endsWith(TimelineIndex.TEMPORARY_SUFFIX)) {
                disk.delete(path);
                continue;
            }
            try {
                Intent found = read(disk, path);
                if (found != null) {
                    all.add(found);
                }
            } catch (PageserverException e) {
                damaged.accept(path, e);
            }
        }
        return all;
    }

    private static @Nullable Intent read(Disk disk, String path) {
        String text = TextFile.read(disk, path, MOST);
        if (text == null) {
            return null;
        }
        FormatVersion.refuseLater(path, MARK, NEWEST, text);
        try {
            Intent found = parse(text);
            if (found.text().equals(text)
                    && path.endsWith("/" + file(found.kind, found.timeline))) {
                return found;
            }
        } catch (PageserverException
                | Check.Failed
                | IllegalArgumentException
                | IndexOutOfBoundsException e) {
            throw damaged(path, text, e);
        }
        throw damaged(path, text, null);
    }

    private static Intent parse(String text) {
        Operation.Kind kind = Operation.Kind.IMPORT;
        TimelineId timeline = new TimelineId(0, 0);
        long begun = 0;
        boolean siblings = false;
        int atOnce = 0;
        Label name = null;
        boolean ours = false;
        boolean ending = false;
        for (String line : text.split("\n")) {
            int space = line.indexOf(' ');
            String value = line.substring(space + 1);
            switch (line.substring(0, space)) {
                case "kind" -> kind = Operation.Kind.valueOf(value.toUpperCase(Locale.ROOT));
                case "timeline" -> timeline = TimelineId.parse(value);
                case "begun_ms" -> begun = Long.parseLong(value);
                case "siblings" -> siblings = true;
                case "at_once" -> atOnce = Integer.parseInt(value);
                case "name" -> name = new Label(value);
                case "slot" -> ours = true;
                case "ending" -> ending = true;
                default -> {
                    // What is not known makes another text than was read.
                }
            }
        }
        return new Intent(kind, timeline, begun, siblings, atOnce, name, ours, ending);
    }

    private static PageserverException damaged(
            String path, String text, @Nullable RuntimeException cause) {
        String message =
                path
                        + ": expected long work that is to go on, and its checksum, found "
                        + text.length()
                        + " characters that are not that; ask for the work again, and delete the file";
        return cause == null
                ? PageserverException.corruption("%s", message)
                : new PageserverException(ErrorCode.CORRUPTION, message, cause);
    }
}
