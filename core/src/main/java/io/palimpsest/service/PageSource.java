package io.palimpsest.service;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.basebackup.BackupForm;
import io.palimpsest.basebackup.BaseBackup;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.timeline.PageBatch;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import io.palimpsest.value.ReadView;

/**
 * What the page service reads from: a timeline, as far as requests need it. Error behaviour is
 * {@link Timeline}'s.
 */
public interface PageSource {
    /** Finds the timeline that a client names. */
    interface Directory {
        /** NOT_FOUND if there is none. */
        PageSource find(TenantId tenant, TimelineId timeline);
    }

    long lastRecordLsn();

    /** May wait until the WAL is there. */
    long effectiveLsn(long requestLsn, long notModifiedSince);

    /** -1 if there is no such fork. */
    int relationBlocks(RelTag tag, long lsn);

    void readPage(RelTag tag, int block, long lsn, byte[] into, int at);

    /**
     * {@link #effectiveLsn} and {@link #readPage}, if neither waits nor fails; see {@link
     * Timeline#tryReadPage}.
     *
     * @return false if it might; then {@code into} is undefined from there on
     */
    default boolean tryReadPage(
            RelTag tag, int block, long requestLsn, long notModifiedSince, byte[] into, int at) {
        return false;
    }

    /** Pages that {@link #readPages} takes at once, at most; 1: none. */
    default int batchPages() {
        return 1;
    }

    /** {@link #readPage} of each, or a failure of any. */
    default void readPages(PageBatch batch, byte[] into) {
        batch.forEach(
                (key, lsn, place) -> readPage(Keys.relation(key), key.field6(), lsn, into, place));
    }

    /** -1 if there is no such segment. */
    int slruBlocks(Slru slru, int segment, long lsn);

    void readSlruPage(Slru slru, int segment, int page, long lsn, byte[] into, int at);

    ReadView viewAt(long lsn);

    /** See {@link Timeline#lease}. */
    default long lease(long lsn) {
        throw PageserverException.of(ErrorCode.UNSUPPORTED, "nothing is leased here");
    }

    /** What a server starts from. */
    default BaseBackup baseBackup(BackupForm form, long lsn) {
        throw PageserverException.of(ErrorCode.UNSUPPORTED, "there are no base backups here");
    }

    /** The ordinary one. */
    record OfTimeline(Timeline timeline) implements PageSource {
        @Override
        public long lastRecordLsn() {
            return timeline.lastRecordLsn();
        }

        @Override
        public long effectiveLsn(long requestLsn, long notModifiedSince) {
            return timeline.effectiveLsn(requestLsn, notModifiedSince);
        }

        @Override
        public int relationBlocks(RelTag tag, long lsn) {
            return timeline.relationBlocks(tag, lsn);
        }

        @Override
        public void readPage(RelTag tag, int block, long lsn, byte[] into, int at) {
            timeline.readPage(tag, block, lsn, into, at);
        }

        @Override
        public boolean tryReadPage(
                RelTag tag,
                int block,
                long requestLsn,
                long notModifiedSince,
                byte[] into,
                int at) {
            long lsn = timeline.tryEffectiveLsn(requestLsn, notModifiedSince);
            return lsn != 0 && timeline.tryReadPage(tag, block, lsn, into, at);
        }

        @Override
        public int batchPages() {
            return timeline.batchPages();
        }

        @Override
        public void readPages(PageBatch batch, byte[] into) {
            timeline.readPages(batch, into);
        }

        @Override
        public int slruBlocks(Slru slru, int segment, long lsn) {
            return timeline.slruBlocks(slru, segment, lsn);
        }

        @Override
        public void readSlruPage(Slru slru, int segment, int page, long lsn, byte[] into, int at) {
            timeline.readSlruPage(slru, segment, page, lsn, into, at);
        }

        @Override
        public ReadView viewAt(long lsn) {
            return timeline.viewAt(lsn);
        }

        @Override
        public long lease(long lsn) {
            return timeline.lease(lsn);
        }

        @Override
        public BaseBackup baseBackup(BackupForm form, long lsn) {
            return new BaseBackup(timeline, form, lsn);
        }
    }
}
