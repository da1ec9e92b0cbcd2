package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.port.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class OperationsTest {
    private static final TenantId TENANT = new TenantId(1, 2);
    private static final TimelineId TIMELINE = new TimelineId(3, 4);
    private static final long SECOND = 1_000_000_000L;

    /** Stands still until it is set. */
    private static final class HandClock implements Clock {
        private long nanos;

        @Override
        public long monotonicNanos() {
            return nanos;
        }

        @Override
        public long wallMillis() {
            return 1000;
        }
    }

    private final HandClock clock = new HandClock();
    private final Operations operations = new Operations(clock);

    private Operation begin() {
        return operations.begin(Operation.Kind.IMPORT, TENANT, TIMELINE);
    }

    @Test
    void rateAndWhatIsLeftAreReckonedFromWhatIsDone() {
        Operation operation = begin();
        Operation.Status before = operations.status(1);
        assertEquals(OptionalLong.empty(), before.secondsLeft());
        assertEquals(0, before.bytesPerSecond());
        operation.total(1000);
        operation.moved(200);
        operation.moved(50);
        clock.nanos = 5 * SECOND;
        Operation.Status now = operations.status(1);
        assertEquals(250, now.bytesDone());
        assertEquals(50, now.bytesPerSecond());
        assertEquals(OptionalLong.of(15), now.secondsLeft());
        // Estimates are passed: then nobody can say.
        operation.moved(800);
        assertEquals(OptionalLong.empty(), operations.status(1).secondsLeft());
    }

    @Test
    void theFirstWordOnItsEndCountsAndTimeStops() {
        Operation operation = begin();
        clock.nanos = SECOND;
        operation.completed();
        clock.nanos = 9 * SECOND;
        operation.failed("too late");
        operation.close();
        Operation.Status status = operations.status(1);
        assertEquals(Operation.State.COMPLETED, status.state());
        assertEquals(SECOND, status.nanos());
        assertNull(status.failure());
        assertEquals(1, operations.completed(Operation.Kind.IMPORT));
        assertEquals(0, operations.failed(Operation.Kind.IMPORT));
    }

    @Test
    void whatItsWorkThrowsIsWhyItFailed() {
        PageserverException why =
                assertThrows(
                        PageserverException.class,
                        () ->
                                operations.run(
                                        Operation.Kind.DELETION,
                                        TENANT,
                                        null,
                                        operation -> {
                                            operation.stage("half way");
                                            throw PageserverException.of(
                                                    ErrorCode.UNAVAILABLE, "no answer");
                                        }));
        Operation.Status status = operations.status(1);
        assertEquals(Operation.State.FAILED, status.state());
        assertEquals("half way", status.stage());
        assertEquals(why.getMessage(), status.failure());
        assertEquals(1, operations.failed(Operation.Kind.DELETION));
        assertThrows(
                IllegalStateException.class,
                () ->
                        operations.run(
                                Operation.Kind.DELETION,
                                TENANT,
                                null,
                                operation -> {
                                    throw new IllegalStateException("a defect");
                                }));
        assertEquals(Operation.State.FAILED, operations.status(2).state());
    }

    @Test
    void thoseThatRunAreKeptAndOfTheOthersTheLast() {
        Operation first = begin();
        for (int i = 0; i < 300; i++) {
            begin().completed();
        }
        Operation last = begin();
        List<Long> numbers = new ArrayList<>();
        operations.list().forEach(status -> numbers.add(status.number()));
        assertEquals(202, numbers.size());
        assertEquals(1L, numbers.getFirst());
        assertEquals(102L, numbers.get(1));
        assertEquals(last.number(), numbers.getLast());
        PageserverException e =
                assertThrows(PageserverException.class, () -> operations.status(50));
        assertEquals(ErrorCode.NOT_FOUND, e.code());
        first.completed();
        assertEquals(301, operations.completed(Operation.Kind.IMPORT));
    }
}
