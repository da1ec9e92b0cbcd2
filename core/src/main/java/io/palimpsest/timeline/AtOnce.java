package io.palimpsest.timeline;

import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Two things at once, of which one waits for the disk and the other for the store. */
final class AtOnce {
    private AtOnce() {}

    /**
     * Both are over when this returns or throws; the failure of the one that is ours comes first.
     *
     * @param name of the task that does the other
     * @return what ours answers
     */
    static <T> T run(Tasks tasks, String name, Runnable other, Supplier<T> ours) {
        AtomicReference<@Nullable RuntimeException> failure = new AtomicReference<>();
        Tasks.Task task =
                tasks.spawn(
                        Lane.LATENCY,
                        name,
                        () -> {
                            try {
                                other.run();
                            } catch (RuntimeException e) {
                                failure.set(e);
                            }
                        });
        T answer;
        try {
            answer = ours.get();
        } finally {
            task.join();
        }
        RuntimeException failed = failure.get();
        if (failed != null) {
            throw failed;
        }
        return answer;
    }
}
