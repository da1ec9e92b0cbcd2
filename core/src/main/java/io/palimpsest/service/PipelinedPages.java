package io.palimpsest.service;

import io.palimpsest.base.ByteSink;
import io.palimpsest.pg.RelTag;
import io.palimpsest.protocol.PagestreamCodec;
import io.palimpsest.protocol.PagestreamRequest;
import io.palimpsest.timeline.PageBatch;
import java.util.Arrays;

/**
 * Requests for pages that follow each other on a connection and are answered together. Their
 * answers have their places in the output, in order, before they are read.
 */
final class PipelinedPages {
    private final PagestreamRequest[] requests;
    private final PageBatch batch;
    private int size;
    private int mark;
    private int end;
    private byte[] behind = {};

    /**
     * @param version of the sub-protocol
     */
    PipelinedPages(int version, int capacity) {
        requests = new PagestreamRequest[capacity];
        for (int i = 0; i < capacity; i++) {
            requests[i] = new PagestreamRequest(version);
        }
        batch = new PageBatch(capacity);
    }

    boolean isEmpty() {
        return size == 0;
    }

    boolean isFull() {
        return batch.isFull();
    }

    /** Adds one, to be read as of the LSN, and makes room for its answer. */
    void add(PagestreamRequest r, RelTag tag, long lsn, ByteSink out) {
        mark = size == 0 ? out.size() : mark;
        requests[size++]
                .header(r.id(), r.requestLsn(), r.notModifiedSince())
                .page(r.spc(), r.db(), r.rel(), r.fork(), r.block());
        batch.add(tag, r.block(), lsn, PagestreamCodec.page(r, out));
        end = out.size();
    }

    /**
     * Fills in the answers. If it fails there are none in the output, nor what was behind them, and
     * the requests are to be taken, and {@link #behind}.
     */
    void read(PageSource from, ByteSink out) {
        boolean done = false;
        try {
            from.readPages(batch, out.array());
            done = true;
            size = 0;
        } finally {
            batch.clear();
            if (!done) {
                behind = Arrays.copyOfRange(out.array(), end, out.size());
                out.truncate(mark);
            }
        }
    }

    /**
     * What the session has said by itself to what came after the requests: to be said again after
     * their answers.
     */
    byte[] behind() {
        return behind;
    }

    /** Gives the requests away, to be answered one by one. */
    PagestreamRequest[] take() {
        PagestreamRequest[] taken = Arrays.copyOf(requests, size);
        for (int i = 0; i < size; i++) {
            requests[i] = new PagestreamRequest(taken[i].version());
        }
        size = 0;
        return taken;
    }
}
