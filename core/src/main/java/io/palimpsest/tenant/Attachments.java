package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.port.Tasks.Monitor;
import io.palimpsest.timeline.LocationMode;
import java.util.Map;
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

    /**
     * A tenant that is not here yet.
     *
     * @param mode it is to be attached in
     */
    private record Waiting(LocationMode mode, String why) {}

    private final TreeMap<TenantShardId, Waiting> waiting = new TreeMap<>();

    /** Why it will not come by itself. */
    private final TreeMap<TenantShardId, String> refused = new TreeMap<>();

    /** Tenants that are being deleted, and what is known of that. */
    private final TreeMap<TenantShardId, String> going = new TreeMap<>();

    private final TreeSet<TenantShardId> underWay = new TreeSet<>();
    private Tasks.@Nullable Task task;
    private boolean stopped;

    /** Attaches a tenant and opens its timelines, or throws. */
    interface Attach {
        void run(TenantShardId tenant, OptionalInt generation, LocationMode mode);
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
    void attachOrLater(TenantShardId tenant, LocationMode mode) {
        try {
            attachNow(tenant, mode);
        } catch (PageserverException e) {
            failed(tenant, mode, e);
        }
    }

    /** A tenant did not come: it is tried again, or it will not come by itself. */
    void failed(TenantShardId tenant, LocationMode mode, PageserverException e) {
        boolean lost = e.code() == ErrorCode.PRECONDITION_FAILED;
        String why = String.valueOf(e.getMessage());
        environment
                .tracer()
                .event(
                        Event.ATTACHING_FAILED,
                        Subject.of(tenant),
                        (lost ? "" : "tried again: ") + why);
        if (lost) {
            refuse(tenant, why);
            return;
        }
        monitor.lock();
        try {
            if (going.containsKey(tenant)) {
                return;
            }
            waiting.put(tenant, new Waiting(mode, why));
            if (task == null && !stopped) {
                task = environment.tasks().spawn(Lane.LATENCY, "attach", this::run);
            }
        } finally {
            monitor.unlock();
        }
    }

    /** The tenant will not come by itself. */
    void refuse(TenantShardId tenant, String why) {
        monitor.lock();
        try {
            waiting.remove(tenant);
            refused.put(tenant, why);
        } finally {
            monitor.unlock();
        }
    }

    /** The tenant is here. */
    void arrived(TenantShardId tenant) {
        monitor.lock();
        try {
            waiting.remove(tenant);
            refused.remove(tenant);
        } finally {
            monitor.unlock();
        }
    }

    /**
     * A tenant that is not here is not to come; UNAVAILABLE if it is still on its way, because what
     * is on the disk may not be in the store yet.
     */
    void leave(TenantShardId tenant) {
        monitor.lock();
        try {
            Waiting on = waiting.get(tenant);
            if (on != null) {
                throw onItsWay(tenant, on);
            }
            refused.remove(tenant);
        } finally {
            monitor.unlock();
        }
    }

    private static PageserverException onItsWay(TenantShardId tenant, Waiting on) {
        return PageserverException.of(
                ErrorCode.UNAVAILABLE, "tenant %s is being attached: %s", tenant, on.why);
    }

    /**
     * Attaches it.
     *
     * @throws PageserverException CONFLICT if somebody else is at it; or why it could not be done
     */
    void attachNow(TenantShardId tenant, LocationMode mode) {
        alone(tenant, () -> bring(tenant, mode));
    }

    /** If it is deleted, it has not come, and is not waited for. */
    private void bring(TenantShardId tenant, LocationMode mode) {
        attach.run(tenant, OptionalInt.empty(), mode);
        arrived(tenant);
    }

    // ---- tenants that go ----

    /**
     * A tenant is being deleted from now on: it is not here, and does not come.
     *
     * @param how far that is, for people
     */
    void going(TenantShardId tenant, String how) {
        monitor.lock();
        try {
            waiting.remove(tenant);
            refused.remove(tenant);
            going.put(tenant, how);
        } finally {
            monitor.unlock();
        }
    }

    /** All of it is gone. */
    void gone(TenantShardId tenant) {
        monitor.lock();
        try {
            going.remove(tenant);
        } finally {
            monitor.unlock();
        }
    }

    /** Tenants that are being deleted, and how far that is. */
    Map<TenantShardId, String> allGoing() {
        monitor.lock();
        try {
            return new TreeMap<>(going);
        } finally {
            monitor.unlock();
        }
    }

    boolean isGoing(TenantShardId tenant) {
        monitor.lock();
        try {
            return going.containsKey(tenant);
        } finally {
            monitor.unlock();
        }
    }

    /**
     * Does something to a tenant as a whole while nobody else does.
     *
     * @throws PageserverException CONFLICT if somebody else is at it, or it is being deleted
     */
    void alone(TenantShardId tenant, Runnable what) {
        alone(
                tenant,
                () -> {
                    String how = going.get(tenant);
                    if (how != null) {
                        throw PageserverException.of(
                                ErrorCode.CONFLICT, "tenant %s is being deleted: %s", tenant, how);
                    }
                },
                what);
    }

    /** The same, for who deletes it. */
    void aloneToDelete(TenantShardId tenant, Runnable what) {
        alone(tenant, () -> {}, what);
    }

    /**
     * @param condition throws if it is not to be; called under the monitor
     */
    private void alone(TenantShardId tenant, Runnable condition, Runnable what) {
        monitor.lock();
        try {
            condition.run();
            if (stopped || !underWay.add(tenant)) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT,
                        "tenant %s is just being attached, or what this server is to it is being changed",
                        tenant);
            }
        } finally {
            monitor.unlock();
        }
        try {
            what.run();
        } finally {
            monitor.lock();
            try {
                underWay.remove(tenant);
                monitor.signalAll();
            } finally {
                monitor.unlock();
            }
        }
    }

    /** Unless it has come meanwhile, or is not to come any more. */
    private void again(TenantShardId tenant, Waiting on) {
        try {
            alone(
                    tenant,
                    () -> {
                        if (isWaiting(tenant)) {
                            bring(tenant, on.mode);
                        }
                    });
        } catch (PageserverException e) {
            if (isWaiting(tenant)) {
                failed(tenant, on.mode, e);
            }
        }
    }

    private boolean isWaiting(TenantShardId tenant) {
        monitor.lock();
        try {
            return waiting.containsKey(tenant);
        } finally {
            monitor.unlock();
        }
    }

    private void run() {
        while (true) {
            environment.tasks().sleep(PAUSE);
            TreeMap<TenantShardId, Waiting> again;
            monitor.lock();
            try {
                again = new TreeMap<>(waiting);
                if (again.isEmpty()) {
                    task = null;
                    return;
                }
            } finally {
                monitor.unlock();
            }
            again.forEach(this::again);
        }
    }

    /** Throws UNAVAILABLE if the tenant is still on its way, PRECONDITION_FAILED if it is lost. */
    void checkHere(TenantShardId tenant) {
        monitor.lock();
        try {
            Waiting on = waiting.get(tenant);
            if (on != null) {
                throw onItsWay(tenant, on);
            }
            String how = going.get(tenant);
            if (how != null) {
                throw PageserverException.of(
                        ErrorCode.NOT_FOUND, "tenant %s is being deleted: %s", tenant, how);
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
