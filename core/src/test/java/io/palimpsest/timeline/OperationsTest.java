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

    private void refused(ErrorCode code, Runnable what) {
        PageserverException e = assertThrows(PageserverException.class, what::run);
        assertEquals(code, e.code(), e.getMessage());
    }

    @Test
    void whoIsAskedToStopIsToldWhereItLooksAndWakes() {
        Operation operation = begin();
        operation.checkGoesOn();
        int[] woken = new int[2];
        Operation.Interruption over = operation.interruptedBy(() -> woken[0]++);
        Operation.Interruption _ = operation.interruptedBy(() -> woken[1]++);
        over.close();
        Operation.Status asked = operations.cancel(1);
        assertEquals(Operation.State.RUNNING, asked.state());
        assertEquals(true, asked.stopping());
        assertEquals(0, woken[0]);
        assertEquals(1, woken[1]);
        Operation.Status _ = operations.cancel(1);
        assertEquals(1, woken[1]);
        refused(ErrorCode.CANCELLED, operation::checkGoesOn);
        refused(ErrorCode.CANCELLED, () -> operation.cannotBeCancelled("too late"));
        refused(
                ErrorCode.CANCELLED,
                () -> {
                    Operation.Interruption _ = operation.interruptedBy(() -> {});
                });
        operation.leaves("a slot");
        operation.stopped();
        Operation.Status last = operations.cancel(1);
        assertEquals(Operation.State.CANCELLED, last.state());
        assertEquals(false, last.stopping());
        assertEquals("a slot", last.failure());
        assertEquals(1, operations.cancelled(Operation.Kind.IMPORT));
        assertEquals(0, operations.failed(Operation.Kind.IMPORT));
    }

    @Test
    void whatHasComeTooFarOrIsOverIsNotCancelled() {
        Operation operation = begin();
        operation.cannotBeCancelled("it is durable");
        PageserverException e = assertThrows(PageserverException.class, () -> operations.cancel(1));
        assertEquals(ErrorCode.CONFLICT, e.code());
        assertEquals("operation 1 cannot be cancelled any more: it is durable", e.getMessage());
        operation.checkGoesOn();
        operation.completed();
        refused(ErrorCode.CONFLICT, () -> operations.cancel(1));
        begin().failed("no answer");
        refused(ErrorCode.CONFLICT, () -> operations.cancel(2));
        refused(ErrorCode.NOT_FOUND, () -> operations.cancel(3));
    }

    @Test
    void whateverStopsTheWorkWhoWaitsIsToldThatItWasCancelled() {
        PageserverException e =
                assertThrows(
                        PageserverException.class,
                        () ->
                                operations.run(
                                        Operation.Kind.IMPORT,
                                        TENANT,
                                        TIMELINE,
                                        operation -> {
                                            Operation.Status _ = operations.cancel(1);
                                            throw PageserverException.of(
                                                    ErrorCode.IO, "the connection is closed");
                                        }));
        assertEquals(ErrorCode.CANCELLED, e.code());
        assertEquals("operation 1 (import) was cancelled by request", e.getMessage());
        // What comes to its end nevertheless has come to its end.
        int done =
                operations.run(
                        Operation.Kind.IMPORT,
                        TENANT,
                        TIMELINE,
                        operation -> {
                            Operation.Status _ = operations.cancel(2);
                            return 7;
                        });
        assertEquals(7, done);
        assertEquals(Operation.State.COMPLETED, operations.status(2).state());
    }
}
