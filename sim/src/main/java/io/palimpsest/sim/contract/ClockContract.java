package io.palimpsest.sim.contract;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.port.Clock;
import io.palimpsest.port.Tasks;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;

/** What every clock does. */
public abstract class ClockContract {
    /** Runs the body as a task of the world whose clock this is. */
    protected abstract void inWorld(BiConsumer<Clock, Tasks> body);

    @Test
    void monotonicTimeNeverGoesBack() {
        inWorld((clock, tasks) -> {
            long last = clock.monotonicNanos();
            for (int i = 0; i < 1000; i++) {
                tasks.yieldPoint();
                long t = clock.monotonicNanos();
                assertTrue(t - last >= 0, "back by " + (last - t));
                last = t;
            }
        });
    }

    @Test
    void sleepTakesItsTimeOnBothClocks() {
        inWorld((clock, tasks) -> {
            long nanos = clock.monotonicNanos();
            long millis = clock.wallMillis();
            tasks.sleep(30_000_000);
            long passed = clock.monotonicNanos() - nanos;
            assertTrue(passed >= 30_000_000, "monotonic: " + passed);
            long wall = clock.wallMillis() - millis;
            assertTrue(wall >= 29 && wall < 60_000, "wall: " + wall);
        });
    }

    @Test
    void wallTimeIsADate() {
        inWorld((clock, tasks) -> {
            tasks.yieldPoint();
            long year = 1970 + clock.wallMillis() / (365L * 24 * 3600 * 1000);
            assertTrue(year >= 2024 && year < 2200, "year " + year);
        });
    }
}
