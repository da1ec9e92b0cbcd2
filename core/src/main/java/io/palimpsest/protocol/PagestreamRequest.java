package io.palimpsest.protocol;

import io.palimpsest.base.Check;

/**
 * One request of the pagestream sub-protocol. Mutable and reused: a server decodes one request
 * after the other into the same object.
 */
public final class PagestreamRequest {
    /** What is asked for. */
    public enum Operation {
        /** Does the fork exist? */
        EXISTS(0, 100, 13),
        /** How many blocks has the fork? */
        BLOCKS(1, 101, 13),
        /** One page. */
        PAGE(2, 102, 17),
        /** How many bytes has the database? */
        DATABASE_SIZE(3, 104, 4),
        /** All pages of an SLRU segment. */
        SLRU_SEGMENT(4, 105, 5);

        private final int tag;
        private final int responseTag;
        private final int bodyBytes;

        Operation(int tag, int responseTag, int bodyBytes) {
            this.tag = tag;
            this.responseTag = responseTag;
            this.bodyBytes = bodyBytes;
        }

        int tag() {
            return tag;
        }

        int responseTag() {
            return responseTag;
        }

        /** Bytes after the header, and those echoed by version 3. */
        int bodyBytes() {
            return bodyBytes;
        }
    }

    private final int version;
    Operation operation = Operation.EXISTS;
    long id;
    long requestLsn;
    long notModifiedSince;
    int spc;
    int db;
    int rel;
    int fork;
    int block;
    int slru;
    int segment;

    /**
     * @param version of the sub-protocol, 2 or 3
     */
    public PagestreamRequest(int version) {
        Check.that(version == 2 || version == 3, "pagestream version %d", version);
        this.version = version;
    }

    /** Sets the header; {@code id} travels only in version 3. */
    public PagestreamRequest header(long newId, long newRequestLsn, long newNotModifiedSince) {
        id = version == 3 ? newId : 0;
        requestLsn = newRequestLsn;
        notModifiedSince = newNotModifiedSince;
        return this;
    }

    public PagestreamRequest exists(int newSpc, int newDb, int newRel, int newFork) {
        operation = Operation.EXISTS;
        return relation(newSpc, newDb, newRel, newFork);
    }

    public PagestreamRequest blocks(int newSpc, int newDb, int newRel, int newFork) {
        operation = Operation.BLOCKS;
        return relation(newSpc, newDb, newRel, newFork);
    }

    public PagestreamRequest page(int newSpc, int newDb, int newRel, int newFork, int newBlock) {
        operation = Operation.PAGE;
        block = newBlock;
        return relation(newSpc, newDb, newRel, newFork);
    }

    public PagestreamRequest databaseSize(int newDb) {
        operation = Operation.DATABASE_SIZE;
        db = newDb;
        return this;
    }

    public PagestreamRequest slruSegment(int newSlru, int newSegment) {
        operation = Operation.SLRU_SEGMENT;
        slru = newSlru;
        segment = newSegment;
        return this;
    }

    private PagestreamRequest relation(int newSpc, int newDb, int newRel, int newFork) {
        spc = newSpc;
        db = newDb;
        rel = newRel;
        fork = newFork;
        return this;
    }

    public int version() {
        return version;
    }

    public Operation operation() {
        return operation;
    }

    /** Opaque; echoed by version 3. */
    public long id() {
        return id;
    }

    public long requestLsn() {
        return requestLsn;
    }

    public long notModifiedSince() {
        return notModifiedSince;
    }

    public int spc() {
        return spc;
    }

    public int db() {
        return db;
    }

    public int rel() {
        return rel;
    }

    /** 0 to 255; only 0 to 3 make sense. */
    public int fork() {
        return fork;
    }

    public int block() {
        return block;
    }

    /** 0 to 255; {@code io.palimpsest.pg.Slru} numbers 0 to 2 make sense. */
    public int slru() {
        return slru;
    }

    public int segment() {
        return segment;
    }
}
