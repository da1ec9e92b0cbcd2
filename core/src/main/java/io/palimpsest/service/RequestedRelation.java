package io.palimpsest.service;

import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.RelTag;
import io.palimpsest.protocol.PagestreamRequest;

/** The relation that a request is about; a client asks for the same one many times in a row. */
final class RequestedRelation {
    private RelTag last = new RelTag(0, 0, 0, 0);

    /** BAD_REQUEST if there can be none such. */
    RelTag of(PagestreamRequest r) {
        if (!isPossible(r)) {
            throw PageserverException.badRequest(
                    "invalid relnode %s or fork %d", Integer.toUnsignedString(r.rel()), r.fork());
        }
        RelTag tag = last;
        if (tag.rel() != r.rel()
                || tag.fork() != r.fork()
                || tag.db() != r.db()
                || tag.spc() != r.spc()) {
            tag = new RelTag(r.spc(), r.db(), r.rel(), r.fork());
            last = tag;
        }
        return tag;
    }

    static boolean isPossible(PagestreamRequest r) {
        return r.rel() != 0 && r.fork() <= RelTag.INIT;
    }
}
