package io.palimpsest.service;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Key;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.basebackup.BackupForm;
import io.palimpsest.basebackup.BaseBackup;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.port.Net;
import io.palimpsest.port.Tasks;
import io.palimpsest.protocol.PageCommand;
import io.palimpsest.protocol.PagestreamCodec;
import io.palimpsest.protocol.PagestreamRequest;
import io.palimpsest.protocol.PagestreamRequest.Operation;
import io.palimpsest.protocol.ServerSession;
import io.palimpsest.value.Keys;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One client of the page service: runs its commands and requests in order and answers them. Answers
 * are kept until all that was received is done, until they are many, or until a request has to wait
 * for WAL.
 */
final class PageConnection {
    /** Answers are sent when they are this many bytes: 32 pages. */
    private static final int SEND_BYTES = 256 << 10;

    private static final int TEXT = 25;
    private static final int INT8 = 20;
    private static final String SHUTDOWN = "57P01";
    private static final String INTERNAL_ERROR = "XX000";

    private final PageSource.Directory directory;
    private final Authentication authentication;
    private final Net.Connection connection;
    private final ServerSession session;
    private @Nullable Access access;
    private PageCommand.@Nullable Pagestream pagestream;
    private @Nullable PageSource source;
    private @Nullable PipelinedPages pipelined;
    private @Nullable ResidentPages resident;
    private final RequestedRelation relation = new RequestedRelation();

    PageConnection(
            PageSource.Directory directory,
            Authentication authentication,
            Net.Connection connection) {
        this.directory = directory;
        this.authentication = authentication;
        this.connection = connection;
        this.session = new ServerSession(authentication.asksForToken());
        this.access = authentication.asksForToken() ? null : authentication.check("");
    }

    /** Has the client started up, and shown what it has to? */
    boolean isIn() {
        return session.isIn();
    }

    /**
     * What answers the requests that come next without this; null where a part of one is here, or
     * anything but a pagestream.
     */
    Net.@Nullable AtOnce atOnce() {
        return session.isBetweenRequests() ? resident : null;
    }

    /** Takes bytes of the client's and answers what they complete; false at the end. */
    boolean take(byte[] bytes, int offset, int length) {
        session.receive(bytes, offset, length);
        while (true) {
            ServerSession.Event event = session.next();
            try {
                switch (event) {
                    case TOKEN -> admit();
                    case COMMAND -> {
                        readPipelined();
                        run(session.command());
                    }
                    case REQUEST -> {
                        if (!joins(session.request())) {
                            readPipelined();
                            answer(session.request());
                        }
                    }
                    case NEED_BYTES, END -> {
                        send();
                        return event == ServerSession.Event.NEED_BYTES;
                    }
                }
            } catch (Tasks.Cancelled e) {
                throw e;
            } catch (RuntimeException e) {
                if (e instanceof PageserverException world && world.code() == ErrorCode.IO) {
                    throw e;
                }
                session.failAndEnd(INTERNAL_ERROR, "internal error: " + e.getMessage());
                send();
                throw e;
            }
            sendIfLarge();
        }
    }

    private void send() {
        readPipelined();
        ByteSink out = session.out();
        if (out.size() > 0) {
            connection.write(out.array(), 0, out.size());
            out.clear();
        }
    }

    /** Lets a client in by its token; else tells it why not and ends. */
    private void admit() {
        try {
            access = authentication.check(session.token());
            session.accept();
        } catch (PageserverException e) {
            session.failAndEnd(INTERNAL_ERROR, String.valueOf(e.getMessage()));
        }
    }

    private void run(PageCommand command) {
        try {
            if (command instanceof PageCommand.OfTenant it) {
                Objects.requireNonNull(access).toTenant(it.tenant());
            }
        } catch (PageserverException e) {
            session.fail(String.valueOf(e.getMessage()));
            return;
        }
        switch (command) {
            case PageCommand.Pagestream p -> {
                // Which timeline it is, is asked at the first request: a wrong one shows up there.
                pagestream = p;
                source = null;
                pipelined = null;
                resident = null;
                session.startPagestream(p.version());
                send();
            }
            case PageCommand.Set set -> session.complete();
            case PageCommand.Keyspace k -> keyspace(k);
            case PageCommand.LeaseLsn l -> lease(l);
            case PageCommand.BaseBackup b ->
                    backup(b.tenant(), b.timeline(), b.lsn(), BackupForm.COMPUTE, 0, b.gzip());
            case PageCommand.FullBackup f ->
                    backup(
                            f.tenant(),
                            f.timeline(),
                            f.lsn(),
                            f.stock() ? BackupForm.STOCK : BackupForm.COMPUTE_WITH_RELATIONS,
                            f.previous().value(),
                            false);
        }
    }

    /**
     * Is it a page that can be read with those before and after it: there, without waiting? What is
     * wrong with it shows when it is answered by itself.
     */
    private boolean joins(PagestreamRequest request) {
        PageSource from = source;
        if (from == null || request.operation() != Operation.PAGE || from.batchPages() < 2) {
            return false;
        }
        if (Long.compareUnsigned(request.notModifiedSince(), from.lastRecordLsn()) > 0) {
            return false;
        }
        RelTag tag;
        long lsn;
        try {
            tag = tag(request);
            lsn = from.effectiveLsn(request.requestLsn(), request.notModifiedSince());
        } catch (PageserverException e) {
            return false;
        }
        PipelinedPages pages = pipelined;
        if (pages == null) {
            pages = new PipelinedPages(request.version(), from.batchPages());
            pipelined = pages;
        }
        pages.add(request, tag, lsn, session.out());
        if (pages.isFull()) {
            readPipelined();
        }
        return true;
    }

    /**
     * Answers what has joined so far; if that fails, one by one, so that each gets its own answer.
     */
    private void readPipelined() {
        PipelinedPages pages = pipelined;
        PageSource from = source;
        if (pages == null || from == null || pages.isEmpty()) {
            return;
        }
        try {
            pages.read(from, session.out());
        } catch (PageserverException e) {
            PagestreamRequest[] requests = pages.take();
            if (e.code() == ErrorCode.SHUTTING_DOWN) {
                failed(requests[0], session.out().size(), e);
                return;
            }
            for (PagestreamRequest request : requests) {
                answer(request);
            }
            session.out().bytes(pages.behind());
        }
    }

    private void answer(PagestreamRequest request) {
        ByteSink out = session.out();
        int mark = out.size();
        PageSource from;
        try {
            from = source();
        } catch (PageserverException e) {
            if (request.operation() == Operation.PAGE || e.code() != ErrorCode.NOT_FOUND) {
                failed(request, mark, e);
            } else {
                session.fail("Not found: " + e.getMessage());
            }
            return;
        }
        if (Long.compareUnsigned(request.notModifiedSince(), from.lastRecordLsn()) > 0) {
            send();
            mark = 0;
        }
        try {
            answer(request, from, out);
        } catch (PageserverException e) {
            failed(request, mark, e);
        }
    }

    private void answer(PagestreamRequest request, PageSource from, ByteSink out) {
        long lsn = from.effectiveLsn(request.requestLsn(), request.notModifiedSince());
        switch (request.operation()) {
            case EXISTS ->
                    PagestreamCodec.exists(
                            request, from.relationBlocks(tag(request), lsn) >= 0, out);
            case BLOCKS -> PagestreamCodec.blocks(request, blocks(tag(request), from, lsn), out);
            case PAGE -> {
                RelTag tag = tag(request);
                int at = PagestreamCodec.page(request, out);
                from.readPage(tag, request.block(), lsn, out.array(), at);
            }
            case DATABASE_SIZE ->
                    PagestreamCodec.databaseSize(
                            request, databaseBlocks(request.db(), from, lsn) * 8192, out);
            case SLRU_SEGMENT -> slruSegment(request, from, lsn, out);
        }
    }

    /** The request's failure as an answer; only a timeline that goes away ends the session. */
    private void failed(PagestreamRequest request, int mark, PageserverException e) {
        session.out().truncate(mark);
        String prefix =
                switch (e.code()) {
                    case BAD_REQUEST, LSN_OUT_OF_RANGE -> "Bad request: ";
                    case NOT_FOUND -> "Not found: ";
                    case LSN_TIMEOUT -> "LSN timeout: ";
                    case CONFLICT,
                            PRECONDITION_FAILED,
                            CORRUPTION,
                            UNSUPPORTED,
                            SOURCE_BROKEN,
                            IO,
                            NO_SPACE,
                            UNAUTHORIZED,
                            FORBIDDEN,
                            DENIED,
                            THROTTLED,
                            UNAVAILABLE,
                            CANCELLED ->
                            "Read error: ";
                    case SHUTTING_DOWN -> "";
                };
        if (e.code() == ErrorCode.SHUTTING_DOWN) {
            session.failAndEnd(SHUTDOWN, String.valueOf(e.getMessage()));
        } else {
            PagestreamCodec.error(request, prefix + e.getMessage(), session.out());
        }
    }

    private PageSource source() {
        PageSource known = source;
        if (known == null) {
            PageCommand.Pagestream named = pagestream;
            if (named == null) {
                throw new IllegalStateException("a request outside of a pagestream");
            }
            known = directory.find(named.tenant(), named.timeline());
            source = known;
            resident = new ResidentPages(named.version(), known);
        }
        return known;
    }

    private RelTag tag(PagestreamRequest r) {
        return relation.of(r);
    }

    private static int blocks(RelTag tag, PageSource from, long lsn) {
        int blocks = from.relationBlocks(tag, lsn);
        if (blocks >= 0) {
            return blocks;
        }
        if (tag.fork() == RelTag.FSM || tag.fork() == RelTag.VM) {
            return 0;
        }
        throw PageserverException.of(ErrorCode.NOT_FOUND, "relation %s does not exist", tag);
    }

    private static long databaseBlocks(int db, PageSource from, long lsn) {
        long[] sum = new long[1];
        from.viewAt(lsn)
                .scan(
                        Keys.ofDatabase(Keys.REL_SIZE, RelTag.DEFAULT_TABLESPACE, db),
                        (key, content) -> sum[0] += size(key, content));
        return sum[0];
    }

    private static void slruSegment(
            PagestreamRequest request, PageSource from, long lsn, ByteSink out) {
        // Commit timestamps are beyond the field's protocol; stock PostgreSQL has them.
        Slru slru = Slru.ofNumber(request.slru());
        int pages = from.slruBlocks(slru, request.segment(), lsn);
        if (pages < 0) {
            throw PageserverException.of(
                    ErrorCode.NOT_FOUND,
                    "segment %s of %s does not exist",
                    Integer.toUnsignedString(request.segment()),
                    slru.directory());
        }
        Check.that(pages <= Slru.PAGES_PER_SEGMENT, "SLRU segment of %d pages", pages);
        int at = PagestreamCodec.slruSegment(request, pages, out);
        for (int page = 0; page < pages; page++) {
            from.readSlruPage(
                    slru,
                    request.segment(),
                    page,
                    lsn,
                    out.array(),
                    at + page * PagestreamCodec.PAGE);
        }
    }

    private void keyspace(PageCommand.Keyspace command) {
        try {
            PageSource from = directory.find(command.tenant(), command.timeline());
            long lsn = effectiveLsn(from, command.lsn());
            session.rowDescription(
                    List.of("kind", "spc", "db", "rel", "fork", "blocks"),
                    new int[] {TEXT, INT8, INT8, INT8, INT8, INT8});
            from.viewAt(lsn)
                    .scan(
                            Keys.ofKind(Keys.REL_SIZE),
                            (key, content) -> row("rel", key, size(key, content)));
            from.viewAt(lsn)
                    .scan(
                            Keys.ofKind(Keys.SLRU_SIZE),
                            (key, content) -> row("slru", key, size(key, content)));
            session.complete();
        } catch (PageserverException e) {
            fail(e);
        }
    }

    /** The command's failure; only a timeline that goes away ends the session. */
    private void fail(PageserverException e) {
        if (e.code() == ErrorCode.SHUTTING_DOWN) {
            session.failAndEnd(SHUTDOWN, String.valueOf(e.getMessage()));
        } else {
            session.fail(String.valueOf(e.getMessage()));
        }
    }

    private void lease(PageCommand.LeaseLsn command) {
        try {
            PageSource from = directory.find(command.tenant(), command.timeline());
            String until = until(from, Lsn.align(command.lsn().value()));
            session.rowDescription(List.of("valid_until"), new int[] {TEXT});
            session.row(Collections.singletonList(until));
            session.complete();
        } catch (PageserverException e) {
            fail(e);
        }
    }

    private void backup(
            TenantId tenant,
            TimelineId timeline,
            Lsn asked,
            BackupForm form,
            long previous,
            boolean gzip) {
        try {
            PageSource from = directory.find(tenant, timeline);
            long lsn = effectiveLsn(from, asked);
            BaseBackup backup = from.baseBackup(form, lsn);
            backup.checkPrevious(previous);
            session.startCopyOut();
            CopyOut out = new CopyOut(session, this::sendIfLarge);
            out.write(backup, gzip);
            session.endCopyOut();
        } catch (PageserverException e) {
            // Of a client that has gone the next send says so again.
            fail(e);
        }
    }

    /** The latest, or that LSN when it has come. */
    private static long effectiveLsn(PageSource from, Lsn asked) {
        return from.effectiveLsn(asked.value(), asked.equals(Lsn.MAX) ? 0 : asked.value());
    }

    private void sendIfLarge() {
        if (session.out().size() >= SEND_BYTES) {
            send();
        }
    }

    /** Milliseconds since 1970, or null if the lease is refused. */
    private static @Nullable String until(PageSource from, long lsn) {
        try {
            return Long.toString(from.lease(lsn));
        } catch (PageserverException e) {
            if (e.code() == ErrorCode.LSN_OUT_OF_RANGE) {
                return null;
            }
            throw e;
        }
    }

    private void row(String kind, Key key, long blocks) {
        session.row(
                List.of(
                        kind,
                        Integer.toUnsignedString(key.field2()),
                        Integer.toUnsignedString(key.field3()),
                        Integer.toUnsignedString(key.field4()),
                        Integer.toString(key.field5()),
                        Long.toString(blocks)));
        sendIfLarge();
    }

    private static long size(Key key, byte[] content) {
        if (content.length != 4) {
            throw PageserverException.corruption(
                    "key %s: found %d bytes of size, expected 4", key, content.length);
        }
        return Bytes.u32(content, 0);
    }
}
