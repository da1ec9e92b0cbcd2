package io.palimpsest.service;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Net;
import io.palimpsest.tenant.Tenants;

/**
 * The page service: libpq connections on which computes ask for pages. One task serves a
 * connection, in order; it reads what has come, answers all of it and sends the answers together.
 */
public final class PageService {
    /** A client that says nothing for this long is dropped; computes connect again. */
    static final long IDLE_NANOS = 600_000_000_000L;

    /** One that has not even come in is given less. */
    static final long START_NANOS = 60_000_000_000L;

    private static final int READ_BYTES = 16 << 10;

    private final PageSource.Directory directory;
    private final Authentication authentication;

    public PageService(Tenants tenants, Authentication authentication) {
        this(
                (tenant, timeline) -> new PageSource.OfTimeline(tenants.timeline(tenant, timeline)),
                authentication);
    }

    public PageService(PageSource.Directory directory, Authentication authentication) {
        this.directory = directory;
        this.authentication = authentication;
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
                long patience = client.isIn() ? IDLE_NANOS : START_NANOS;
                int n = connection.read(bytes, 0, bytes.length, patience);
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
