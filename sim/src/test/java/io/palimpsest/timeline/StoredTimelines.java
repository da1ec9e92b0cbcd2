package io.palimpsest.timeline;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.Generation;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.BlockCache;
import io.palimpsest.pg.CheckPoint;
import io.palimpsest.pg.ControlFile;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalOrigin;
import io.palimpsest.port.Environment;
import io.palimpsest.value.Keys;
import io.palimpsest.value.Modifications;
import java.util.zip.CRC32C;

/** Makes timelines on a simulated machine's disk, without a Postgres to import. */
final class StoredTimelines {
    static final TenantId TENANT = new TenantId(1, 2);
    static final TimelineId ROOT = new TimelineId(3, 4);
    private static final TenantShardId SHARD = TenantShardId.unsharded(TENANT);

    private StoredTimelines() {}

    static String directory(TimelineId timeline) {
        return "tenants/" + SHARD + "/timelines/" + timeline;
    }

    /** Small enough that everything happens often. */
    static Limits limits(Prng random) {
        return new Limits(
                4096L << random.nextInt(6),
                1L << 40,
                1L << 60,
                100,
                1 << 20,
                256 << random.nextInt(7),
                Limits.DEFAULT.recordBytes(),
                10_000_000_000L,
                random.nextInt(3) * 65_536L,
                1 + random.nextInt(8),
                1 + random.nextInt(8),
                random.nextInt(6),
                0);
    }

    /** No background work but what is asked for; small layers. */
    static TenantConfig onDemand(long targetBytes) {
        TenantConfig c = TenantConfig.DEFAULT;
        return new TenantConfig(0, c.gcHorizonBytes(), 0, 0, 2, 4, targetBytes, 2, c.leaseNanos());
    }

    /** A root timeline that starts at an LSN with nothing but the cluster's control data. */
    static void create(
            Environment environment,
            Limits limits,
            TenantConfig config,
            PgVersion version,
            long systemIdentifier,
            int segmentSize,
            long start) {
        Surroundings surroundings =
                new Surroundings(
                        environment, limits, config, new BlockCache(limits), Housekeeping.NONE);
        TimelineIndex index =
                TimelineIndex.empty(
                        new TimelineIndex.Identity(
                                SHARD,
                                ROOT,
                                Generation.FIRST,
                                version,
                                WalOrigin.STOCK,
                                systemIdentifier,
                                segmentSize,
                                1),
                        null,
                        Long.MAX_VALUE,
                        start - 1);
        Timeline timeline = Timeline.beginImport(surroundings, directory(ROOT), index, null);
        CheckPoint checkPoint = CheckPoint.read(new byte[CheckPoint.BYTES], 0);
        checkPoint.setNextXid(3);
        checkPoint.setOldestXid(3, 1);
        Modifications files = new Modifications();
        files.image(
                Keys.CONTROL_FILE,
                start,
                controlFile(version, systemIdentifier, segmentSize, checkPoint.toBytes()));
        files.image(Keys.CHECKPOINT, start, checkPoint.toBytes());
        timeline.commitPart(files, start);
        timeline.finishImport(start, start, 1);
        timeline.shutDown();
    }

    /** All that ingest and redo look at. */
    private static byte[] controlFile(
            PgVersion version, long systemIdentifier, int segmentSize, byte[] checkPoint) {
        byte[] b = new byte[ControlFile.BYTES];
        Bytes.putI64(b, 0, systemIdentifier);
        Bytes.putI32(b, 8, version.controlVersion());
        Bytes.putI32(b, 12, version.catalogVersion());
        System.arraycopy(checkPoint, 0, b, 40, checkPoint.length);
        Bytes.putI32(b, 204, 8);
        Bytes.putF64(b, 208, 1234567.0);
        Bytes.putI32(b, 216, Page.SIZE);
        Bytes.putI32(b, 220, 131_072);
        Bytes.putI32(b, 224, 8192);
        Bytes.putI32(b, 228, segmentSize);
        CRC32C crc = new CRC32C();
        crc.update(b, 0, 288);
        Bytes.putI32(b, 288, (int) crc.getValue());
        return b;
    }
}
