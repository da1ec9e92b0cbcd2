package io.palimpsest.server.store;

import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tracer;
import io.palimpsest.server.runtime.SystemTasks;
import io.palimpsest.sim.contract.ObjectStoreContract.World;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** A real store and real tasks, for the contract. */
record StoreWorld(ObjectStore store, Tasks tasks) implements World {
    /** Runs the body as a task, and fails with what any task failed with. */
    static void run(ObjectStore store, Consumer<World> body) {
        @Nullable Throwable[] failure = new Throwable[1];
        Tracer tracer = (event, subject, detail) -> {};
        SystemTasks tasks =
                new SystemTasks(
                        2,
                        tracer,
                        (task, e) -> {
                            synchronized (failure) {
                                failure[0] = failure[0] == null ? e : failure[0];
                            }
                        });
        tasks.spawn(Tasks.Lane.LATENCY, "contract", () -> body.accept(new StoreWorld(store, tasks)))
                .join();
        synchronized (failure) {
            switch (failure[0]) {
                case null -> {}
                case RuntimeException e -> throw e;
                case Error e -> throw e;
                case Throwable e -> throw new IllegalStateException(e);
            }
        }
    }
}
