package io.palimpsest.service;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Net;
import io.palimpsest.tenant.Tenants;

/**
 * The page service: libpq connections on which computes ask for pages. One task serves a
 * connection, in order; it reads what has come, answers all of it and sends the answers together.
 * Pages that are in memory may be answered without it, while it waits ({@link ResidentPages}).
 */
public final class PageService {
    /** A client that says nothing for this long is dropped, usually; computes connect again. */
    public static final long IDLE_NANOS = 600_000_000_000L;

    /** One that has not even come in is given less. */
    static final long START_NANOS = 60_000_000_000L;

    /** Some 80 requests, which is more than are answered in one piece; each client has as much. */
    private static final int READ_BYTES = 4 << 10;

    private final PageSource.Directory directory;
    private final Authentication authentication;
    private final long idleNanos;

    public PageService(Tenants tenants, Authentication authentication) {
        this(directory(tenants), authentication);
    }

    public PageService(PageSource.Directory directory, Authentication authentication) {
        this(directory, authentication, IDLE_NANOS);
    }

    /**
     * @param idleNanos a client that says nothing for so long is dropped
     */
    public PageService(
            PageSource.Directory directory, Authentication authentication, long idleNanos) {
        this.directory = directory;
        this.authentication = authentication;
        this.idleNanos = idleNanos;
    }

    /** The timelines of a server's tenants. */
    public static PageSource.Directory directory(Tenants tenants) {
        return (tenant, timeline) -> new PageSource.OfTimeline(tenants.timeline(tenant, timeline));
    }

    /**
     * Serves a connection until it ends, then closes it. What the client does wrong is answered;
     * only a wrong program ({@code Check.Failed} and the like) leaves this method, after the client
     * was told.
     */
    public void serve(Net.Connection connection) {
        PageConnection client = new PageConnection(directory, authentication, connection);
        byte[] bytes = new byte[READ_BYTES];
        try {
            boolean open = true;
            while (open) {
                long patience = client.isIn() ? idleNanos : START_NANOS;
                int n = connection.read(bytes, 0, bytes.length, patience, client.atOnce());
                open = n > 0 && client.take(bytes, 0, n);
            }
        } catch (PageserverException e) {
            // The requests' own errors have been answered: this is a lost client, which is normal.
            if (e.code() != ErrorCode.IO) {
                throw e;
            }
        } finally {
            connection.close();
        }
    }
}
