package io.palimpsest.service;

import io.palimpsest.base.Bytes;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.value.Keys;
import io.palimpsest.value.ReadView;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;

/** Relations with pages that say which they are. */
final class FakeSource implements PageSource {
    static final String TENANT = "0123456789abcdef0123456789abcdef";
    static final String TIMELINE = "fedcba9876543210fedcba9876543210";
    static final long LAST = 0x1000;

    final TreeMap<Key, Integer> sizes = new TreeMap<>();
    final List<String> waits = new ArrayList<>();
    RuntimeException failure;

    FakeSource() {
        sizes.put(Keys.relationSize(new RelTag(1663, 5, 16384, 0)), 3);
        sizes.put(Keys.relationSize(new RelTag(1663, 5, 16384, 1)), 2);
        sizes.put(Keys.relationSize(new RelTag(1663, 6, 16384, 0)), 9);
        sizes.put(Keys.relationSize(new RelTag(1664, 0, 1262, 0)), 1);
        sizes.put(Keys.slruSize(Slru.MULTIXACT_OFFSETS, 0), 2);
    }

    /** The only timeline there is. */
    PageSource find(TenantId tenant, TimelineId timeline) {
        if (!tenant.equals(TenantId.parse(TENANT))
                || !timeline.equals(TimelineId.parse(TIMELINE))) {
            throw PageserverException.of(ErrorCode.NOT_FOUND, "timeline %s is not here", timeline);
        }
        return this;
    }

    @Override
    public long lastRecordLsn() {
        return LAST;
    }

    @Override
    public long effectiveLsn(long requestLsn, long notModifiedSince) {
        if (requestLsn == 0) {
            throw PageserverException.badRequest("R is 0");
        }
        if (notModifiedSince > LAST) {
            waits.add(Lsn.toString(notModifiedSince));
            throw PageserverException.of(ErrorCode.LSN_TIMEOUT, "waited");
        }
        return LAST;
    }

    @Override
    public int relationBlocks(RelTag tag, long lsn) {
        return sizes.getOrDefault(Keys.relationSize(tag), -1);
    }

    @Override
    public void readPage(RelTag tag, int block, long lsn, byte[] into, int at) {
        if (failure != null) {
            throw failure;
        }
        if (relationBlocks(tag, lsn) < 0) {
            throw PageserverException.of(ErrorCode.NOT_FOUND, "no relation %s", tag);
        }
        Arrays.fill(into, at, at + 8192, (byte) block);
    }

    /** Of each four blocks of what there is three are at hand. */
    @Override
    public boolean tryReadPage(
            RelTag tag, int block, long requestLsn, long since, byte[] into, int at) {
        if (failure != null) {
            Arrays.fill(into, at, at + 100, (byte) 0xEE);
            throw failure;
        }
        boolean there =
                relationBlocks(tag, LAST) > block
                        && block % 4 != 3
                        && requestLsn != 0
                        && since <= LAST;
        Arrays.fill(into, at, at + 8192, there ? (byte) block : (byte) 0xEE);
        return there;
    }

    @Override
    public int batchPages() {
        return 7;
    }

    @Override
    public int slruBlocks(Slru slru, int segment, long lsn) {
        return sizes.getOrDefault(Keys.slruSize(slru, segment), -1);
    }

    @Override
    public void readSlruPage(Slru slru, int segment, int page, long lsn, byte[] b, int at) {
        Arrays.fill(b, at, at + 8192, (byte) (10 * slru.number() + page));
    }

    @Override
    public long lease(long lsn) {
        if (lsn > LAST) {
            throw PageserverException.of(ErrorCode.LSN_OUT_OF_RANGE, "not yet");
        }
        return 1_764_000_000_000L + lsn;
    }

    @Override
    public ReadView viewAt(long lsn) {
        return new ReadView() {
            @Override
            public byte[] image(Key key) {
                throw new AssertionError(key);
            }

            @Override
            public void scan(KeyRange range, Visitor visitor) {
                sizes.subMap(range.start(), range.end())
                        .forEach((key, blocks) -> {
                            byte[] content = new byte[4];
                            Bytes.putI32(content, 0, blocks);
                            visitor.visit(key, content);
                        });
            }
        };
    }
}
