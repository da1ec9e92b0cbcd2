package io.palimpsest.layer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class LayerNameTest {
    private static final TenantShardId ALONE = TenantShardId.unsharded(new TenantId(1, 2));

    @Test
    void looksAsDrawn() {
        LayerName l0 =
                LayerName.delta(
                        KeyRange.ALL, new LsnRange(0x16B3748, 0x2000000), ALONE, new Generation(1));
        assertEquals(
                "000000000000000000000000000000000000-FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
                        + "__00000000016B3748-0000000002000000-00000001",
                l0.toString());
        assertTrue(l0.isL0());
        LayerName image =
                LayerName.image(
                        new KeyRange(Key.of(0, 1663, 5, 16384, 0, 0), Key.of(1, 0, 0, 0, 0, 0)),
                        0xABCL,
                        new TenantShardId(new TenantId(1, 2), 3, 10),
                        new Generation(0xBEEF));
        assertEquals(
                "000000067F00000005000040000000000000-010000000000000000000000000000000000"
                        + "__0000000000000ABC-030a-0000beef",
                image.toString());
        assertFalse(image.isL0());
    }

    @Property(tries = 300)
    void parsesWhatItWritesAndNothingElse(@ForAll long seed) {
        Prng prng = new Prng(seed);
        Key a = new Key(prng.nextLong() >>> 24, prng.nextLong(), prng.nextLong() >>> 24);
        Key b = new Key(prng.nextLong() >>> 24, prng.nextLong(), prng.nextLong() >>> 24);
        KeyRange keys = a.compareTo(b) < 0 ? new KeyRange(a, b) : new KeyRange(b, a);
        long start = prng.nextLong() >>> 1;
        TenantShardId shard =
                prng.nextBoolean() ? ALONE : new TenantShardId(new TenantId(1, 2), 3, 200);
        Generation g = new Generation(1 + prng.nextInt(Integer.MAX_VALUE));
        LayerName name =
                prng.nextBoolean()
                        ? LayerName.image(keys, start, shard, g)
                        : LayerName.delta(
                                keys, new LsnRange(start, start + 1 + prng.nextInt(9)), shard, g);
        String text = name.toString();
        assertEquals(name, LayerName.parse(text));
        char[] other = text.toCharArray();
        other[prng.nextInt(other.length)] = "0aAgG-_+x ".charAt(prng.nextInt(10));
        String damaged = new String(other);
        try {
            assertEquals(damaged, LayerName.parse(damaged).toString());
        } catch (PageserverException e) {
            assertEquals(ErrorCode.CORRUPTION, e.code());
        }
        String cut = text.substring(0, prng.nextInt(text.length()));
        assertThrows(PageserverException.class, () -> LayerName.parse(cut));
    }
}
