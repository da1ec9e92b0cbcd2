package io.palimpsest.server.source;

import static io.palimpsest.server.source.Finding.dangerous;
import static io.palimpsest.server.source.Finding.good;
import static io.palimpsest.server.source.Finding.warning;
import static io.palimpsest.server.source.Finding.wrong;

import io.palimpsest.pg.Page;
import io.palimpsest.server.source.SourceFacts.Settings;
import io.palimpsest.server.source.SourceFacts.Slot;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What is to be said of a source before it is followed: can it be, and could that harm it? A slot
 * keeps WAL for as long as we are away, so the first question is whether the source's disk is
 * bounded against us.
 */
final class SourceCheck {
    /** Names that a walsender of ours matches as a synchronous standby. */
    private static final Pattern OURS =
            Pattern.compile(
                    "(^|[,(\\s])(\\*|\"?palimpsest\"?)($|[,)\\s])", Pattern.CASE_INSENSITIVE);

    private static final String RELOAD = "; SELECT pg_reload_conf()";

    /** An import takes one for its base backup, and the stream another. */
    private static final int SENDERS_NEEDED = 2;

    private SourceCheck() {}

    /**
     * Looks at everything, in the order in which it matters.
     *
     * @param slot the name of the slot that is to keep WAL for us
     * @param followed is the source ours already, so that the slot has to be there?
     * @param acknowledged bytes of WAL that we may have received and not acknowledged in ordinary
     *     work
     */
    static List<Finding> findings(
            SourceFacts facts, String slot, boolean followed, long acknowledged) {
        List<Finding> all = new ArrayList<>();
        all.add(good("version", facts.version()));
        all.add(
                facts.blockSize() == Page.SIZE
                        ? good("block_size", Integer.toString(facts.blockSize()))
                        : wrong(
                                "block_size",
                                Integer.toString(facts.blockSize()),
                                "only a PostgreSQL built with pages of 8 KiB can be followed"));
        if (facts.standby()) {
            all.add(
                    warning(
                            "standby",
                            "it replays another server's WAL",
                            "a branch ends where its source is promoted; follow the primary if you can"));
        }
        Settings settings = facts.settings();
        if (settings == null) {
            all.add(
                    dangerous(
                            "settings",
                            "not known: " + facts.refusal(),
                            "let the user connect to database postgres too (pg_hba.conf), or accept that nobody knows whether the slot is bounded"));
            return all;
        }
        all.add(keep(settings, acknowledged));
        all.add(
                settings.walLevel().equals("minimal")
                        ? wrong(
                                "wal_level",
                                "minimal",
                                "on the source: ALTER SYSTEM SET wal_level = replica, then restart it")
                        : good("wal_level", settings.walLevel()));
        all.add(senders(settings, followed));
        all.add(slots(settings));
        all.add(slot(settings, slot, followed));
        synchronous(settings, all);
        if (settings.idleSlotSeconds() > 0) {
            all.add(
                    warning(
                            "idle_replication_slot_timeout",
                            settings.idleSlotSeconds() + " s",
                            "a page server that is away for longer loses its slot and has to import again"));
        }
        durability(settings, all);
        return all;
    }

    private static Finding keep(Settings settings, long acknowledged) {
        String what = "max_slot_wal_keep_size";
        long limit = settings.slotKeepBytes();
        if (limit == SourceFacts.UNBOUNDED) {
            return dangerous(
                    what,
                    "-1: without a limit",
                    "a page server that is away fills the source's disk with WAL until the source stops; on the source: ALTER SYSTEM SET "
                            + what
                            + " = '20GB'"
                            + RELOAD
                            + " (less than what is free there)");
        }
        return limit < acknowledged
                ? warning(
                        what,
                        megabytes(limit),
                        "the page server acknowledges WAL when it is safe, which may be "
                                + megabytes(acknowledged)
                                + " later; the slot can be lost in ordinary work: give it more, or lower checkpoint_distance")
                : good(what, megabytes(limit));
    }

    private static Finding senders(Settings settings, boolean followed) {
        String found = settings.senders() + " of " + settings.maxSenders() + " in use";
        int needed = followed ? 0 : SENDERS_NEEDED;
        return settings.maxSenders() - settings.senders() >= needed
                ? good("max_wal_senders", found)
                : wrong(
                        "max_wal_senders",
                        found,
                        "an import needs "
                                + SENDERS_NEEDED
                                + "; on the source: ALTER SYSTEM SET max_wal_senders = "
                                + (settings.senders() + SENDERS_NEEDED)
                                + ", then restart it");
    }

    private static Finding slots(Settings settings) {
        String found = settings.slots() + " of " + settings.maxSlots() + " in use";
        return settings.slot() != null || settings.slots() < settings.maxSlots()
                ? good("max_replication_slots", found)
                : wrong(
                        "max_replication_slots",
                        found,
                        "drop a slot that nobody uses, or ALTER SYSTEM SET max_replication_slots = "
                                + (settings.slots() + 1)
                                + ", then restart it");
    }

    private static Finding slot(Settings settings, String name, boolean followed) {
        Slot slot = settings.slot();
        String what = "slot " + name;
        if (slot == null) {
            return followed ? wrong(what, "gone", wayOut(name)) : good(what, "will be created");
        }
        if (!slot.physical() || slot.temporary()) {
            return wrong(
                    what,
                    slot.physical() ? "temporary" : "logical",
                    "somebody else uses that name; choose another");
        }
        if (slot.lost()) {
            return wrong(
                    what,
                    "lost" + (slot.invalidation().isEmpty() ? "" : ": " + slot.invalidation()),
                    followed
                            ? wayOut(name)
                            : "drop it on the source: SELECT pg_drop_replication_slot('"
                                    + name
                                    + "'), or choose another name");
        }
        if (followed) {
            return slot.walStatus().equals("unreserved")
                    ? warning(
                            what,
                            "about to be lost",
                            "its WAL goes at the next checkpoint; now, on the source: ALTER SYSTEM SET max_slot_wal_keep_size = '100GB'"
                                    + RELOAD
                                    + " (less than what is free there)")
                    : good(what, slot.activePid() == 0 ? "nobody uses it now" : "in use");
        }
        if (slot.activePid() != 0) {
            return wrong(
                    what,
                    "in use by process " + slot.activePid(),
                    "each page server needs a slot of its own; choose another name");
        }
        return slot.restartLsn() == 0
                ? wrong(
                        what,
                        "was never used and keeps no WAL",
                        "drop it on the source: SELECT pg_drop_replication_slot('" + name + "')")
                : good(what, "is there, and nobody uses it");
    }

    /** What is left to do when the source has not kept the WAL. */
    static String wayOut(String slot) {
        return "the source has not kept the WAL, so this branch ends here; all that has come stays readable. Follow the source by a new branch: palimpsest source add NEW ..., which copies the cluster again; then, on the source: SELECT pg_drop_replication_slot('"
                + slot
                + "')";
    }

    private static void synchronous(Settings settings, List<Finding> all) {
        String names = settings.synchronousStandbyNames();
        if (OURS.matcher(names).find()) {
            all.add(
                    dangerous(
                            "synchronous_standby_names",
                            names,
                            "commits on the source would wait for this page server; name the standbys that are meant, without palimpsest"));
        }
    }

    private static void durability(Settings settings, List<Finding> all) {
        all.add(
                settings.fullPageWrites()
                        ? good("full_page_writes", "on")
                        : warning(
                                "full_page_writes",
                                "off",
                                "a page torn by a crash of the source stays damaged there, and differs from the one here"));
        if (!settings.fsync()) {
            all.add(
                    warning(
                            "fsync",
                            "off",
                            "a crash of the source's machine may take WAL back that is here, and ends the branch"));
        }
        all.add(
                settings.checksums()
                        ? good("data_checksums", "on")
                        : settings.hintsLogged()
                                ? good("data_checksums", "off, wal_log_hints on")
                                : good(
                                        "data_checksums",
                                        "off; hint bits may differ, which no query sees"));
    }

    private static String megabytes(long bytes) {
        return bytes % (1L << 30) == 0 && bytes > 0
                ? String.format(Locale.ROOT, "%d GB", bytes >> 30)
                : String.format(Locale.ROOT, "%d MB", bytes >> 20);
    }

    /** The worst of them. */
    static Finding.Verdict worst(List<Finding> findings) {
        return findings.stream()
                .map(Finding::verdict)
                .max(Comparable::compareTo)
                .orElse(Finding.Verdict.GOOD);
    }

    /** What was found of a verdict, to be told; null if nothing. */
    static @Nullable String told(List<Finding> findings, Finding.Verdict verdict) {
        List<String> lines =
                findings.stream()
                        .filter(f -> f.verdict() == verdict)
                        .map(f -> f.what() + " is " + f.found() + ": " + f.next())
                        .toList();
        return lines.isEmpty() ? null : String.join("; ", lines);
    }
}
