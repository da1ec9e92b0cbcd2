package io.palimpsest.sim.crash;

import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.palimpsest.sim.workload.BuggyDisk;
import io.palimpsest.sim.world.Outcome;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class CrashPointsTest {
    /** With a store a state costs some twenty milliseconds: one in so many is recovered from. */
    private static final int ONE_IN = 20;

    @ParameterizedTest
    @MethodSource("io.palimpsest.sim.crash.CrashPoints#protocols")
    void crashPointsAreRecoveredFrom(String name) {
        CrashProtocol protocol = CrashProtocols.named(name);
        CrashPoints.Result r =
                protocol.withStore()
                        ? CrashPoints.sample(protocol, 1, ONE_IN)
                        : CrashPoints.run(name, 1, Long.MAX_VALUE);
        assertNull(r.outcome().failure(), r::report);
    }

    /** A harness that finds nothing proves nothing. */
    @ParameterizedTest
    @EnumSource(
            names = {
                "LAYER_NOT_SYNCED",
                "INDEX_NOT_SYNCED",
                "DIRECTORY_NOT_SYNCED",
                "INDEX_NOT_REPLACED_ATOMICALLY",
                "HANDLE_LEAKED"
            })
    void plantedBugsAreFound(BuggyDisk.Bug bug) {
        CrashPoints.Result r =
                CrashPoints.run(
                        CrashProtocols.named("flush"),
                        1,
                        Long.MAX_VALUE,
                        disk -> new BuggyDisk(disk, bug));
        Outcome.Failure f = r.outcome().failure();
        assertNotNull(f, () -> bug + " not found in " + r.states() + " states");
        System.out.printf(
                "planted bug %s: found by protocol flush, state %d: %s%n",
                bug, r.states(), f.what());
    }
}
