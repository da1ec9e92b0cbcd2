package io.palimpsest.server.cli;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.value.Keys;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Keys as people name them, both ways. */
final class KeyText {
    private static final Pattern RELATION =
            Pattern.compile("(\\d+)/(\\d+)/(\\d+)(_fsm|_vm|_init)?(?:/(\\d+))?");
    private static final Pattern HEX = Pattern.compile("[0-9A-Fa-f]{36}");

    private KeyText() {}

    /** Such as {@code rel 1663/5/16384_fsm block 7}. */
    static String text(Key key) {
        return switch (key.kind()) {
            case Keys.REL_BLOCK ->
                    "rel "
                            + Keys.relation(key)
                            + " block "
                            + Integer.toUnsignedString(key.field6());
            case Keys.SLRU_BLOCK ->
                    slru(key)
                            + " page "
                            + (Integer.toUnsignedLong(key.field4()) * Slru.PAGES_PER_SEGMENT
                                    + Integer.toUnsignedLong(key.field6()));
            case Keys.REL_SIZE -> "size of rel " + Keys.relation(key);
            case Keys.SLRU_SIZE ->
                    "size of " + slru(key) + " segment " + Integer.toUnsignedString(key.field4());
            case Keys.DATABASE -> "database " + pair(key);
            case Keys.RELMAP -> "relation map " + pair(key);
            case Keys.TWO_PHASE ->
                    "prepared transaction "
                            + ((Integer.toUnsignedLong(key.field3()) << 32)
                                    | Integer.toUnsignedLong(key.field4()));
            case Keys.TABLESPACE -> "tablespace " + Integer.toUnsignedString(key.field2());
            case 8 -> "control file";
            case 9 -> "checkpoint";
            case Keys.COMMIT_TIME -> "commit time";
            case Keys.MARKER -> "marker";
            default -> key.toString();
        };
    }

    private static String pair(Key key) {
        return Integer.toUnsignedString(key.field2())
                + "/"
                + Integer.toUnsignedString(key.field3());
    }

    private static String slru(Key key) {
        for (Slru s : Slru.values()) {
            if (s.number() == key.field2()) {
                return s.directory();
            }
        }
        return "slru " + key.field2();
    }

    static String text(KeyRange keys) {
        return keys.equals(KeyRange.ALL)
                ? "all keys"
                : (keys.start().equals(Key.MIN) ? "the first" : text(keys.start()))
                        + " .. "
                        + (keys.end().equals(Key.MAX) ? "the last" : text(keys.end()));
    }

    /**
     * One key, or all blocks of a relation's fork.
     *
     * @throws PageserverException BAD_REQUEST
     */
    static KeyRange parse(String text) {
        if (HEX.matcher(text).matches()) {
            Key key = Key.parse(text);
            return new KeyRange(key, key.next());
        }
        Matcher m = RELATION.matcher(text);
        if (!m.matches()) {
            throw PageserverException.badRequest(
                    "'%s' is no key: expected spc/db/rel[_fsm|_vm|_init][/block], or 36 hexadecimal digits",
                    text);
        }
        try {
            RelTag tag =
                    new RelTag(
                            Integer.parseUnsignedInt(m.group(1)),
                            Integer.parseUnsignedInt(m.group(2)),
                            Integer.parseUnsignedInt(m.group(3)),
                            fork(m.group(4)));
            if (m.group(5) == null) {
                return new KeyRange(Keys.block(tag, 0), Keys.block(tag, -1).next());
            }
            Key key = Keys.block(tag, Integer.parseUnsignedInt(m.group(5)));
            return new KeyRange(key, key.next());
        } catch (NumberFormatException e) {
            throw PageserverException.badRequest("'%s' has a number above 4294967295", text);
        }
    }

    private static int fork(@org.jspecify.annotations.Nullable String suffix) {
        return suffix == null
                ? RelTag.MAIN
                : switch (suffix) {
                    case "_fsm" -> RelTag.FSM;
                    case "_vm" -> RelTag.VM;
                    default -> RelTag.INIT;
                };
    }
}
