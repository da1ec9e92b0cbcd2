package io.palimpsest.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantSetting;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class TenantManifestTest {
    private static final TenantManifest CLAIM =
            TenantManifest.bare(
                    TenantShardId.parse("7a1f0c4e5d6b48a99e0f112233445566"),
                    new Generation(3),
                    -2,
                    1_764_000_000_000L);

    private static final TenantManifest MANIFEST =
            CLAIM.complete(
                    TenantOverrides.NONE,
                    List.of(
                            new TenantManifest.Entry(
                                    TimelineId.parse("d87061ac791d44a963416f8fe634a26c"),
                                    new Generation(2),
                                    true,
                                    null),
                            new TenantManifest.Entry(
                                    TimelineId.parse("a87061ac791d44a963416f8fe634a26c"),
                                    new Generation(3),
                                    false,
                                    "slot open host='a b' port=1")));

    @Test
    void itIsReadAsItWasWritten() {
        assertEquals(CLAIM, TenantManifest.decode(CLAIM.encode(), "m"));
        assertEquals(MANIFEST, TenantManifest.decode(MANIFEST.encode(), "m"));
        assertEquals(
                """
                palimpsest tenant manifest 1
                tenant 7a1f0c4e5d6b48a99e0f112233445566
                generation 00000003
                nonce fffffffffffffffe
                claimed 1764000000000
                complete yes
                timeline a87061ac791d44a963416f8fe634a26c 00000003 there slot open host='a b' port=1
                timeline d87061ac791d44a963416f8fe634a26c 00000002 deleting
                """,
                new String(MANIFEST.encode(), StandardCharsets.UTF_8)
                        .replaceAll("crc32c .*\n", ""));
    }

    /** The version says so to who does not know of deleted tenants. */
    @Test
    void aTenantThatGoesHasNothingLeft() {
        for (TenantManifest gone : List.of(MANIFEST.deleting(), MANIFEST.deleted())) {
            assertEquals(gone, TenantManifest.decode(gone.encode(), "m"));
            assertTrue(gone.complete());
            assertEquals(List.of(), gone.timelines());
        }
        assertEquals(
                """
                palimpsest tenant manifest 2
                tenant 7a1f0c4e5d6b48a99e0f112233445566
                generation 00000003
                nonce fffffffffffffffe
                claimed 1764000000000
                complete deleting
                """,
                new String(MANIFEST.deleting().encode(), StandardCharsets.UTF_8)
                        .replaceAll("crc32c .*\n", ""));
    }

    @Test
    void whatTheTenantHasOfItsOwnIsInIt() {
        TenantOverrides own =
                TenantOverrides.NONE.with(
                        Map.of(TenantSetting.GC_HORIZON, 7L, TenantSetting.PITR_INTERVAL, 1L),
                        Set.of());
        TenantManifest with = MANIFEST.with(own);
        assertEquals(with, TenantManifest.decode(with.encode(), "m"));
        assertEquals(own, with.without(with.timelines().getFirst().id()).config());
        String text = new String(with.encode(), StandardCharsets.UTF_8);
        assertTrue(
                text.contains(
                        "complete yes\nconfig pitr_interval 1\nconfig gc_horizon 7\ntimeline"),
                text);
        assertEquals(MANIFEST, with.with(TenantOverrides.NONE));
    }

    @Test
    void everyOtherByteIsRefused() {
        byte[] good = MANIFEST.encode();
        for (int at = 0; at < good.length; at++) {
            byte[] bad = good.clone();
            bad[at] ^= 1;
            refused(bad);
            byte[] cut = Arrays.copyOf(good, at);
            refused(cut);
        }
    }

    private static void refused(byte[] bytes) {
        PageserverException e =
                assertThrows(PageserverException.class, () -> TenantManifest.decode(bytes, "key"));
        assertEquals(ErrorCode.CORRUPTION, e.code());
    }
}
