package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import java.util.List;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Which tenants are on their way from the object store: those whose turn failed because it did not
 * answer are tried again until it does, and the others are served meanwhile.
 */
final class Attachments {
    private static final long PAUSE = 5_000_000_000L;

    private final Environment environment;
    private final Attach attach;
    private final Monitor monitor;

    /** Why a tenant is not here yet. */
    private final TreeMap<TenantShardId, String> waiting = new TreeMap<>();

    /** Why it will not come by itself. */
    private final TreeMap<TenantShardId, String> refused = new TreeMap<>();

    private final TreeSet<TenantShardId> underWay = new TreeSet<>();
    private Tasks.@Nullable Task task;
    private boolean stopped;

    /** Attaches a tenant and opens its timelines, or throws. */
    interface Attach {
        void run(TenantShardId tenant, OptionalInt generation);
    }

    Attachments(Environment environment, Attach attach) {
        this.environment = environment;
        this.attach = attach;
        this.monitor = environment.tasks().monitor("attachments");
    }

    /**
     * Attaches it; if that fails, it is tried again later. Not if another server has taken it over:
     * the two would never leave it to each other.
     */
    void attachOrLater(TenantShardId tenant) {
        try {
            attachNow(tenant, OptionalInt.empty());
        } catch (PageserverException e) {
            boolean lost = e.code() == ErrorCode.PRECONDITION_FAILED;
            environment
                    .tracer()
                    .error(
                            "attaching-failed",
                            "tenant "
                                    + tenant
                                    + (lost ? ": " : ", tried again: ")
                                    + e.getMessage());
            monitor.lock();
            try {
                if (lost) {
                    waiting.remove(tenant);
                    refused.put(tenant, String.valueOf(e.getMessage()));
                    return;
                }
                waiting.put(tenant, String.valueOf(e.getMessage()));
                if (task == null && !stopped) {
                    task = environment.tasks().spawn(Lane.LATENCY, "attach", this::run);
                }
            } finally {
                monitor.unlock();
            }
        }
    }

    /**
     * Attaches it.
     *
     * @param generation that it is to have, if somebody has given one out
     * @throws PageserverException CONFLICT if somebody else is at it; or why it could not be done
     */
    void attachNow(TenantShardId tenant, OptionalInt generation) {
        monitor.lock();
        try {
            if (stopped || !underWay.add(tenant)) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT, "tenant %s is being attached", tenant);
            }
        } finally {
            monitor.unlock();
        }
        boolean done = false;
        try {
            attach.run(tenant, generation);
            done = true;
        } finally {
            monitor.lock();
            try {
                underWay.remove(tenant);
                if (done) {
                    waiting.remove(tenant);
                    refused.remove(tenant);
                }
                monitor.signalAll();
            } finally {
                monitor.unlock();
            }
        }
    }

    private void run() {
        while (true) {
            environment.tasks().sleep(PAUSE);
            List<TenantShardId> again;
            monitor.lock();
            try {
                again = List.copyOf(waiting.keySet());
                if (again.isEmpty()) {
                    task = null;
                    return;
                }
            } finally {
                monitor.unlock();
            }
            again.forEach(this::attachOrLater);
        }
    }

    /** Throws UNAVAILABLE if the tenant is still on its way, PRECONDITION_FAILED if it is lost. */
    void checkHere(TenantShardId tenant) {
        monitor.lock();
        try {
            String why = waiting.get(tenant);
            if (why != null) {
                throw PageserverException.of(
                        ErrorCode.UNAVAILABLE, "tenant %s is being attached: %s", tenant, why);
            }
            String lost = refused.get(tenant);
            if (lost != null) {
                throw PageserverException.of(ErrorCode.PRECONDITION_FAILED, "%s", lost);
            }
        } finally {
            monitor.unlock();
        }
    }

    /** Begins nothing more; returns when nothing is under way. */
    void stop() {
        Tasks.Task last;
        monitor.lock();
        try {
            stopped = true;
            last = task;
        } finally {
            monitor.unlock();
        }
        if (last != null) {
            last.cancel();
            last.join();
        }
        monitor.lock();
        try {
            while (!underWay.isEmpty()) {
                monitor.await();
            }
        } finally {
            monitor.unlock();
        }
    }
}
