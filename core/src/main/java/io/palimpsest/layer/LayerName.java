package io.palimpsest.layer;

import io.palimpsest.base.Check;
import io.palimpsest.base.Generation;
import io.palimpsest.base.Hex;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import java.util.Locale;

/**
 * What a layer covers and who wrote it; its {@link #toString} is the file's name:
 *
 * <pre>
 *   delta  KEY-KEY__LSN-LSN[-NNCC]-GENERATION     keys and LSNs from the first (inclusive) to the second (exclusive)
 *   image  KEY-KEY__LSN[-NNCC]-GENERATION         as of the one LSN
 * </pre>
 *
 * A key is 36 and an LSN 16 upper-case hexadecimal digits; NNCC is shard number and count, two
 * lower-case digits each, absent for an unsharded tenant; the generation is eight lower-case
 * digits. Names of one timeline never repeat with another content.
 *
 * @param endLsn exclusive; of an image {@code startLsn + 1}
 * @param shardNumber of the shard that wrote it, which may be a parent of the one that reads it
 */
public record LayerName(
        KeyRange keys,
        long startLsn,
        long endLsn,
        boolean image,
        int shardNumber,
        int shardCount,
        Generation generation) {
    public LayerName {
        Check.that(Long.compareUnsigned(startLsn, endLsn) < 0, "LSNs %x..%x", startLsn, endLsn);
        Check.that(!image || endLsn == startLsn + 1, "image LSNs %x..%x", startLsn, endLsn);
        Check.that(
                shardNumber >= 0 && shardCount <= 255 && shardNumber < Math.max(1, shardCount),
                "shard %d of %d",
                shardNumber,
                shardCount);
    }

    public static LayerName delta(
            KeyRange keys, LsnRange lsns, TenantShardId shard, Generation generation) {
        return new LayerName(
                keys, lsns.start(), lsns.end(), false, shard.number(), shard.count(), generation);
    }

    public static LayerName image(
            KeyRange keys, long lsn, TenantShardId shard, Generation generation) {
        return new LayerName(keys, lsn, lsn + 1, true, shard.number(), shard.count(), generation);
    }

    /** Reads what {@link #toString} writes and nothing else; CORRUPTION if it is not that. */
    public static LayerName parse(String text) {
        int lsnAt = 36 + 1 + 36 + 2;
        // The digits of the fields after the keys tell the forms apart: 16 [16] [4] 8.
        int rest = text.length() - lsnAt;
        boolean image = rest == 16 + 9 || rest == 16 + 5 + 9;
        boolean delta = rest == 16 + 17 + 9 || rest == 16 + 17 + 5 + 9;
        if (image || delta) {
            try {
                long start = Long.parseUnsignedLong(text, lsnAt, lsnAt + 16, 16);
                int p = lsnAt + 16;
                long end = start + 1;
                if (delta) {
                    end = Long.parseUnsignedLong(text, p + 1, p + 17, 16);
                    p += 17;
                }
                boolean sharded = text.length() - p == 5 + 9;
                LayerName name =
                        new LayerName(
                                new KeyRange(
                                        Key.parse(text.substring(0, 36)),
                                        Key.parse(text.substring(37, 73))),
                                start,
                                end,
                                image,
                                sharded ? Integer.parseInt(text, p + 1, p + 3, 16) : 0,
                                sharded ? Integer.parseInt(text, p + 3, p + 5, 16) : 0,
                                new Generation(
                                        Integer.parseInt(
                                                text, text.length() - 8, text.length(), 16)));
                if (name.toString().equals(text)) {
                    return name;
                }
            } catch (NumberFormatException | Check.Failed | PageserverException e) {
                throw new PageserverException(
                        io.palimpsest.base.ErrorCode.CORRUPTION, wrong(text), e);
            }
        }
        throw PageserverException.corruption("%s", wrong(text));
    }

    private static String wrong(String text) {
        return "'" + text + "' is no layer name: expected KEY-KEY__LSN[-LSN][-NNCC]-GENERATION";
    }

    /** A delta over all keys, as flushed from an open layer. */
    public boolean isL0() {
        return !image && keys.equals(KeyRange.ALL);
    }

    public LsnRange lsns() {
        return new LsnRange(startLsn, endLsn);
    }

    @Override
    public String toString() {
        StringBuilder s = new StringBuilder(128);
        s.append(keys.start()).append('-').append(keys.end()).append("__");
        s.append(lsnDigits(startLsn));
        if (!image) {
            s.append('-').append(lsnDigits(endLsn));
        }
        if (shardCount > 0) {
            s.append(String.format(Locale.ROOT, "-%02x%02x", shardNumber, shardCount));
        }
        return s.append('-').append(generation).toString();
    }

    private static String lsnDigits(long lsn) {
        return Hex.digits(lsn).toUpperCase(Locale.ROOT);
    }
}
