package io.palimpsest.protocol;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What a client asks the page service in a query. */
public sealed interface PageCommand {
    /** A command about one tenant's data, which not everybody may reach. */
    sealed interface OfTenant extends PageCommand {
        TenantId tenant();
    }

    /**
     * {@code pagestream_v2 <tenant> <timeline>}, {@code pagestream_v3 ...}: requests for pages
     * follow.
     */
    record Pagestream(int version, TenantId tenant, TimelineId timeline) implements OfTenant {}

    /**
     * {@code keyspace <tenant> <timeline> <lsn>|latest}: which relation forks and SLRU segments
     * exist at the LSN, and how large. An addition of ours for tools and tests, outside the field's
     * grammar; it reads only. Answers rows {@code (kind text, spc, db, rel, fork, blocks)}: kind
     * {@code rel}, or kind {@code slru} with the SLRU's number as spc and the segment as rel.
     *
     * @param lsn {@link Lsn#MAX} for the latest
     */
    record Keyspace(TenantId tenant, TimelineId timeline, Lsn lsn) implements OfTenant {}

    /**
     * {@code lease lsn <tenant> <timeline> <lsn>}: keeps an LSN readable. Answers one row {@code
     * (valid_until text)}, milliseconds since 1970; null if the LSN is not kept any more, or has
     * not come yet.
     */
    record LeaseLsn(TenantId tenant, TimelineId timeline, Lsn lsn) implements OfTenant {}

    /**
     * {@code basebackup <tenant> <timeline> [<lsn>|latest] [--gzip] [--replica]}: what a compute
     * node of Neon's starts from, as a tar archive in COPY OUT.
     *
     * @param lsn {@link Lsn#MAX} for the latest
     */
    record BaseBackup(TenantId tenant, TimelineId timeline, Lsn lsn, boolean gzip)
            implements OfTenant {}

    /**
     * {@code fullbackup <tenant> <timeline> [<lsn> [<prev_lsn>]]}: the same with all relations.
     * {@code fullbackup ... --stock}, an addition of ours: a data directory that an unmodified
     * PostgreSQL starts from.
     *
     * @param previous start of the record before; 0 if the client does not say
     */
    record FullBackup(TenantId tenant, TimelineId timeline, Lsn lsn, Lsn previous, boolean stock)
            implements OfTenant {}

    /** {@code set ...}: drivers send it; nothing changes. */
    record Set() implements PageCommand {}

    /**
     * Reads a command. The text is trimmed (a semicolon at its end too), its first word knows no
     * case, exactly one space follows, arguments are separated by any whitespace.
     */
    static PageCommand parse(String text) {
        String query = text.strip();
        if (query.endsWith(";")) {
            query = query.substring(0, query.length() - 1).stripTrailing();
        }
        int space = query.indexOf(' ');
        if (space < 0) {
            throw PageserverException.badRequest("cannot parse query '%s'", shortened(query));
        }
        String word = query.substring(0, space).toLowerCase(Locale.ROOT);
        String rest = query.substring(space + 1);
        return switch (word) {
            case "pagestream_v2" -> pagestream(2, rest);
            case "pagestream_v3" -> pagestream(3, rest);
            case "keyspace" -> {
                String[] arguments = arguments(word, rest, 3);
                yield new Keyspace(
                        TenantId.parse(arguments[0]),
                        TimelineId.parse(arguments[1]),
                        arguments[2].equalsIgnoreCase("latest")
                                ? Lsn.MAX
                                : Lsn.parse(arguments[2]));
            }
            case "lease" -> {
                String[] arguments = arguments(word, rest, 4);
                if (!arguments[0].equalsIgnoreCase("lsn")) {
                    throw PageserverException.badRequest(
                            "lease: found '%s', expected lsn", shortened(arguments[0]));
                }
                yield new LeaseLsn(
                        tenant(arguments[1]),
                        TimelineId.parse(arguments[2]),
                        Lsn.parse(arguments[3]));
            }
            case "basebackup" -> baseBackup(rest);
            case "fullbackup" -> fullBackup(rest);
            case "set" -> new Set();
            default ->
                    throw PageserverException.badRequest(
                            "unsupported command '%s'", shortened(query));
        };
    }

    private static BaseBackup baseBackup(String rest) {
        Backup backup = backup("basebackup", rest, List.of("--gzip", "--replica"), 3);
        return new BaseBackup(
                backup.tenant(),
                backup.timeline(),
                backup.lsn(2),
                backup.flags().contains("--gzip"));
    }

    private static FullBackup fullBackup(String rest) {
        Backup backup = backup("fullbackup", rest, List.of("--stock"), 4);
        Lsn previous = backup.words().size() > 3 ? Lsn.parse(backup.words().get(3)) : Lsn.INVALID;
        return new FullBackup(
                backup.tenant(),
                backup.timeline(),
                backup.lsn(2),
                previous,
                backup.flags().contains("--stock"));
    }

    /** Words, then flags, each at most once. */
    record Backup(List<String> words, List<String> flags) {
        TenantId tenant() {
            return PageCommand.tenant(words.get(0));
        }

        TimelineId timeline() {
            return TimelineId.parse(words.get(1));
        }

        Lsn lsn(int at) {
            return words.size() <= at || words.get(at).equalsIgnoreCase("latest")
                    ? Lsn.MAX
                    : Lsn.parse(words.get(at));
        }
    }

    private static Backup backup(String word, String rest, List<String> known, int most) {
        List<String> words = new ArrayList<>();
        List<String> flags = new ArrayList<>();
        for (String argument : rest.split("\\s+", -1)) {
            if (argument.startsWith("--")) {
                if (!known.contains(argument) || flags.contains(argument)) {
                    throw PageserverException.badRequest(
                            "%s: found '%s', expected each of %s at most once",
                            word, shortened(argument), String.join(", ", known));
                }
                flags.add(argument);
            } else if (flags.isEmpty() && !argument.isEmpty()) {
                words.add(argument);
            } else {
                throw PageserverException.badRequest(
                        "%s: found '%s' after a flag", word, shortened(argument));
            }
        }
        if (words.size() < 2 || words.size() > most) {
            throw PageserverException.badRequest(
                    "%s: found %d arguments, expected 2 to %d", word, words.size(), most);
        }
        return new Backup(words, flags);
    }

    /** Of a shard, too: of a tenant without shards there is one, 0000 or 0001. */
    private static TenantId tenant(String text) {
        TenantShardId shard = TenantShardId.parse(text);
        if (shard.count() > 1) {
            throw PageserverException.of(ErrorCode.NOT_FOUND, "shard %s is not here", shard);
        }
        return shard.tenant();
    }

    private static Pagestream pagestream(int version, String rest) {
        String[] arguments = arguments("pagestream_v" + version, rest, 2);
        return new Pagestream(
                version, TenantId.parse(arguments[0]), TimelineId.parse(arguments[1]));
    }

    private static String[] arguments(String word, String rest, int expected) {
        String[] arguments = rest.split("\\s+", -1);
        if (arguments.length != expected || arguments[0].isEmpty()) {
            throw PageserverException.badRequest(
                    "%s: found %d arguments, expected %d",
                    word, arguments[0].isEmpty() ? 0 : arguments.length, expected);
        }
        return arguments;
    }

    private static String shortened(String query) {
        return query.length() <= 100 ? query : query.substring(0, 100) + "...";
    }
}
