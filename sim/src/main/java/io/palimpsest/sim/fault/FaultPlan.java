package io.palimpsest.sim.fault;

import io.palimpsest.base.Check;
import io.palimpsest.base.Prng;

/**
 * What goes wrong with disks and networks, and how often. A rate {@code n} is once in n times on
 * average, 0 is never.
 *
 * @param tornWrites power loss leaves un-synced data in any mix of sectors, else whole or not at
 *     all
 * @param syncFails a sync fails and takes the un-synced data with it
 * @param readFails a read fails; the next one may not
 * @param bitRot a read finds a bit flipped, from then on
 * @param tryReadRefuses a read that must not block has to
 * @param diskNanos what a disk operation takes, typically
 * @param slow a disk or network operation takes a hundred times as long
 * @param capacityBytes of a disk
 * @param powerLossAt power goes at the start of this disk operation, counted from 1; 0 is never
 * @param powerLossAtNames it waits for the next operation that renames, or syncs a directory
 * @param netNanos what a message takes, typically
 * @param resets a message on a connection finds it broken
 */
public record FaultPlan(
        boolean tornWrites,
        int syncFails,
        int readFails,
        int bitRot,
        int tryReadRefuses,
        long diskNanos,
        int slow,
        long capacityBytes,
        long powerLossAt,
        boolean powerLossAtNames,
        long netNanos,
        int resets) {
    public FaultPlan {
        Check.that(syncFails >= 0 && readFails >= 0 && bitRot >= 0, "rates of disk faults");
        Check.that(tryReadRefuses >= 0 && slow >= 0 && resets >= 0, "rates of delays and resets");
        Check.that(diskNanos >= 0 && netNanos >= 0, "times %d and %d", diskNanos, netNanos);
        Check.that(capacityBytes >= 0 && powerLossAt >= 0, "capacity %d", capacityBytes);
    }

    /** Nothing fails, everything takes a little while; power loss is as nasty as can be. */
    public static FaultPlan quiet() {
        return new FaultPlan(true, 0, 0, 0, 4, 100_000, 0, Long.MAX_VALUE, 0, false, 200_000, 0);
    }

    /** Slow or fast hardware, delays and broken connections; nothing that loses synced data. */
    public static FaultPlan rough(Prng random) {
        return new FaultPlan(
                true,
                0,
                0,
                0,
                1 + random.nextInt(8),
                random.nextInt(4) == 0 ? 0 : 1 + random.nextInt(2_000_000),
                random.nextInt(3) == 0 ? 20 + random.nextInt(200) : 0,
                Long.MAX_VALUE,
                0,
                false,
                1 + random.nextInt(5_000_000),
                random.nextBoolean() ? 50 + random.nextInt(1000) : 0);
    }

    public FaultPlan withSyncFails(int oneIn) {
        return new FaultPlan(
                tornWrites,
                oneIn,
                readFails,
                bitRot,
                tryReadRefuses,
                diskNanos,
                slow,
                capacityBytes,
                powerLossAt,
                powerLossAtNames,
                netNanos,
                resets);
    }

    public FaultPlan withReadFails(int oneIn) {
        return new FaultPlan(
                tornWrites,
                syncFails,
                oneIn,
                bitRot,
                tryReadRefuses,
                diskNanos,
                slow,
                capacityBytes,
                powerLossAt,
                powerLossAtNames,
                netNanos,
                resets);
    }

    public FaultPlan withBitRot(int oneIn) {
        return new FaultPlan(
                tornWrites,
                syncFails,
                readFails,
                oneIn,
                tryReadRefuses,
                diskNanos,
                slow,
                capacityBytes,
                powerLossAt,
                powerLossAtNames,
                netNanos,
                resets);
    }

    public FaultPlan withCapacity(long bytes) {
        return new FaultPlan(
                tornWrites,
                syncFails,
                readFails,
                bitRot,
                tryReadRefuses,
                diskNanos,
                slow,
                bytes,
                powerLossAt,
                powerLossAtNames,
                netNanos,
                resets);
    }

    /** With hardware of that speed. */
    public FaultPlan withDelays(long disk, long net, int slowOneIn) {
        return new FaultPlan(
                tornWrites,
                syncFails,
                readFails,
                bitRot,
                tryReadRefuses,
                disk,
                slowOneIn,
                capacityBytes,
                powerLossAt,
                powerLossAtNames,
                net,
                resets);
    }

    /** At the first one that renames, or syncs a directory, and is not before this one. */
    public FaultPlan withPowerLossAtNames(long operation) {
        return new FaultPlan(
                tornWrites,
                syncFails,
                readFails,
                bitRot,
                tryReadRefuses,
                diskNanos,
                slow,
                capacityBytes,
                operation,
                true,
                netNanos,
                resets);
    }

    public FaultPlan withPowerLossAt(long operation) {
        return new FaultPlan(
                tornWrites,
                syncFails,
                readFails,
                bitRot,
                tryReadRefuses,
                diskNanos,
                slow,
                capacityBytes,
                operation,
                powerLossAtNames,
                netNanos,
                resets);
    }

    public FaultPlan withResets(int oneIn) {
        return new FaultPlan(
                tornWrites,
                syncFails,
                readFails,
                bitRot,
                tryReadRefuses,
                diskNanos,
                slow,
                capacityBytes,
                powerLossAt,
                powerLossAtNames,
                netNanos,
                oneIn);
    }

    /** Whether a fault of that rate strikes now. */
    static boolean strikes(int oneIn, Prng random) {
        return oneIn > 0 && random.oneIn(oneIn);
    }

    /** A time around {@code typical}, now and then a hundredfold. */
    long jitter(long typical, Prng random) {
        long nanos = typical == 0 ? 0 : typical / 2 + random.nextLong(typical);
        return strikes(slow, random) ? nanos * 100 : nanos;
    }
}
