package io.palimpsest.remote;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.ObjectStore.Content;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Whether the store creates atomically. Claims are made of that: of several servers that put the
 * same manifest one succeeds. With a store that ignores the condition two could own a tenant at
 * once, so there a person, or a control plane, has to say who does.
 */
public final class AtomicCreation {
    private enum Answer {
        UNKNOWN,
        YES,
        NO
    }

    private final Environment environment;
    private final RemoteStore store;
    private final Monitor monitor;
    private Answer answer = Answer.UNKNOWN;
    private boolean asking;
    private Tasks.@Nullable Task task;

    public AtomicCreation(Environment environment, RemoteStore store) {
        this.environment = environment;
        this.store = store;
        this.monitor = environment.tasks().monitor("atomic-creation");
    }

    /** Finds out, so that nobody has to wait for it later. Returns at once. */
    public void begin() {
        Tasks.Task asks = environment.tasks().spawn(Lane.LATENCY, "atomic-creation", this::findOut);
        monitor.lock();
        try {
            task = asks;
        } finally {
            monitor.unlock();
        }
    }

    private void findOut() {
        try {
            if (!holds()) {
                environment
                        .tracer()
                        .event(
                                Event.STORE_NOT_ATOMIC,
                                "the store replaces an object that was to be put only if there is none: it cannot say who owns a tenant");
            }
        } catch (PageserverException e) {
            // Whoever needs it asks again.
            environment.tracer().event(Event.STORE_NOT_KNOWN, String.valueOf(e.getMessage()));
        }
    }

    /** Ends what was begun. */
    public void close() {
        Tasks.Task last;
        monitor.lock();
        try {
            last = task;
        } finally {
            monitor.unlock();
        }
        if (last != null) {
            last.cancel();
            last.join();
        }
    }

    /**
     * @throws PageserverException PRECONDITION_FAILED if it does not, or as the store has it
     */
    public void require() {
        if (!holds()) {
            throw PageserverException.of(
                    ErrorCode.PRECONDITION_FAILED,
                    "%s",
                    "the store does not create atomically: it replaces an object that was to be put only if there is none, so two servers could own a tenant at once; if this is the only one, start it with --take-over (take_over = true), or attach the tenant with the generation that it is to have");
        }
    }

    private boolean holds() {
        monitor.lock();
        try {
            while (asking) {
                monitor.await();
            }
            if (answer != Answer.UNKNOWN) {
                return answer == Answer.YES;
            }
            asking = true;
        } finally {
            monitor.unlock();
        }
        Answer found = Answer.UNKNOWN;
        try {
            found = probe() ? Answer.YES : Answer.NO;
        } finally {
            monitor.lock();
            try {
                answer = found;
                asking = false;
                monitor.signalAll();
            } finally {
                monitor.unlock();
            }
        }
        return found == Answer.YES;
    }

    /** Puts two objects of one name that nobody else uses. */
    private boolean probe() {
        String key = RemotePath.probe(environment.ids().nextLong());
        String _ = store.create(key, content("first"));
        boolean refused = false;
        try {
            String _ = store.create(key, content("second"));
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.CONFLICT) {
                throw e;
            }
            refused = true;
        }
        store.delete(List.of(key));
        return refused;
    }

    private static Content content(String text) {
        return Content.of(text.getBytes(StandardCharsets.UTF_8));
    }
}
