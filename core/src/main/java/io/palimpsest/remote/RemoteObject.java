package io.palimpsest.remote;

import io.palimpsest.base.Check;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.layer.LayerSource;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Monitor;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * An object of known size that is read in parts, by any number of tasks. Each request asks for
 * {@link RemoteLimits#partBytes} at least, from where it is needed on, or at the end up to the end;
 * what came last is kept, so that blocks next to each other cost one request. Of several tasks that
 * need the same part one asks for it. Nothing that comes is verified here.
 *
 * <p>In memory it keeps {@value #KEPT} parts.
 */
public final class RemoteObject implements LayerSource.Parts {
    private static final int KEPT = 3;

    /** Bytes from a position on; null until they have come. */
    private static final class Part {
        final long from;
        final int length;
        byte @Nullable [] bytes;

        Part(long from, int length) {
            this.from = from;
            this.length = length;
        }

        boolean covers(long position, int count) {
            return position >= from && position + count <= from + length;
        }
    }

    private final RemoteStore store;
    private final String key;
    private final long size;
    private final Runnable asking;
    private final Supplier<PageserverException> missing;

    /** Guards the parts; never held over a request. */
    private final Monitor monitor;

    /** Oldest first; those that are on their way too. */
    private final ArrayDeque<Part> parts = new ArrayDeque<>();

    /**
     * @param asking is run before each request
     * @param missing what it means that there is no such object
     */
    public RemoteObject(
            RemoteStore store,
            Tasks tasks,
            String key,
            long size,
            Runnable asking,
            Supplier<PageserverException> missing) {
        Check.that(size >= 0, "size %d of %s", size, key);
        this.store = store;
        this.key = key;
        this.size = size;
        this.asking = asking;
        this.missing = missing;
        this.monitor = tasks.monitor("remote-object");
    }

    @Override
    public String name() {
        return key;
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public void read(long position, byte[] into, int offset, int length) {
        if (length > size - position) {
            throw PageserverException.of(
                    ErrorCode.IO,
                    "%s: expected %d bytes at %d, found %d in all",
                    key,
                    length,
                    position,
                    size);
        }
        Part mine;
        monitor.lock();
        try {
            Part found = find(position, length);
            while (found != null && found.bytes == null) {
                monitor.await();
                found = find(position, length);
            }
            if (found != null && found.bytes != null) {
                copy(found.bytes, (int) (position - found.from), into, offset, length);
                return;
            }
            mine = toAskFor(position, length);
            parts.addLast(mine);
        } finally {
            monitor.unlock();
        }
        byte[] bytes = ask(mine);
        copy(bytes, (int) (position - mine.from), into, offset, length);
    }

    /** From the position on; what lies at the end is read with all that is before it. */
    private Part toAskFor(long position, int length) {
        int most = (int) Math.min(size, Math.max(length, store.limits().partBytes()));
        long from = Math.min(position, size - most);
        return new Part(from, most);
    }

    private byte[] ask(Part part) {
        byte[] bytes = new byte[part.length];
        boolean came = false;
        try {
            asking.run();
            store.read(key, part.from, bytes, 0, bytes.length);
            came = true;
            return bytes;
        } catch (PageserverException e) {
            throw e.code() == ErrorCode.NOT_FOUND ? missing.get() : e;
        } finally {
            monitor.lock();
            try {
                if (came) {
                    part.bytes = bytes;
                    shed();
                } else {
                    parts.remove(part);
                }
                monitor.signalAll();
            } finally {
                monitor.unlock();
            }
        }
    }

    /** The oldest parts go, but for those that somebody waits for. */
    private void shed() {
        int more = parts.size() - KEPT;
        for (Iterator<Part> i = parts.iterator(); more > 0 && i.hasNext(); ) {
            if (i.next().bytes != null) {
                i.remove();
                more--;
            }
        }
    }

    @Override
    public boolean tryRead(long position, byte[] into, int offset, int length) {
        monitor.lock();
        try {
            Part found = find(position, length);
            if (found == null || found.bytes == null) {
                return false;
            }
            copy(found.bytes, (int) (position - found.from), into, offset, length);
            return true;
        } finally {
            monitor.unlock();
        }
    }

    /** The newest that covers it, if there is one. */
    private @Nullable Part find(long position, int length) {
        for (Iterator<Part> i = parts.descendingIterator(); i.hasNext(); ) {
            Part part = i.next();
            if (part.covers(position, length)) {
                return part;
            }
        }
        return null;
    }

    private static void copy(byte[] from, int at, byte[] into, int offset, int length) {
        System.arraycopy(from, at, into, offset, length);
    }

    /** It holds nothing but memory. */
    @Override
    public void close() {}
}
