package io.palimpsest.server.net;

import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.service.PageSource;
import io.palimpsest.value.ReadView;

/** As of LSN 100 each relation has seven blocks, and there is nothing else. */
public abstract class StubSource implements PageSource {
    @Override
    public long lastRecordLsn() {
        return 100;
    }

    @Override
    public long effectiveLsn(long requestLsn, long notModifiedSince) {
        return 100;
    }

    @Override
    public int relationBlocks(RelTag tag, long lsn) {
        return 7;
    }

    @Override
    public int slruBlocks(Slru slru, int segment, long lsn) {
        return -1;
    }

    @Override
    public void readSlruPage(Slru slru, int segment, int page, long lsn, byte[] b, int at) {
        throw new AssertionError();
    }

    @Override
    public ReadView viewAt(long lsn) {
        throw new AssertionError();
    }
}
