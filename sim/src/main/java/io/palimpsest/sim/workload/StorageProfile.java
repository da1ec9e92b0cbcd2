package io.palimpsest.sim.workload;

import io.palimpsest.base.Prng;
import io.palimpsest.sim.fault.FaultPlan;
import java.util.List;

/**
 * How often what happens in a {@link StorageScenario}. The keys of its file ({@code storage.toml}
 * has them all) say what each of them is; times are nanoseconds, at most.
 *
 * @param name of the scenario: what it is asked for by
 */
record StorageProfile(
        String name,
        List<String> mustReach,
        List<String> mustReachInMany,
        boolean bitRot,
        int mostLives,
        long lifeNanos,
        Chance inOrder,
        Chance byTime,
        Chance readFails,
        Chance full,
        Chance fullAgain,
        long fullNanos,
        long roomNanos,
        int roomBytes,
        Slowness slowness,
        History history,
        Clients clients) {
    private static final String DEFAULTS = "storage";
    private static final long MILLIS = 1_000_000L;

    /** How slow disks and networks are; 0 leaves it to the seed. */
    record Slowness(long diskNanos, long netNanos, int hundredfold) {
        FaultPlan of(FaultPlan plan) {
            return plan.withDelays(
                    diskNanos > 0 ? diskNanos : plan.diskNanos(),
                    netNanos > 0 ? netNanos : plan.netNanos(),
                    hundredfold > 0 ? hundredfold : plan.slow());
        }

        static Slowness of(ScenarioFile file) {
            return new Slowness(
                    file.number("slow.disk_millis") * MILLIS,
                    file.number("slow.network_millis") * MILLIS,
                    file.number("slow.hundredfold"));
        }
    }

    /** What of the history is kept. */
    record History(Chance byTime, int bytes, Chance none, long gcNanos, long leaseNanos) {}

    /**
     * What clients do, and how often.
     *
     * @param atCutoff a branch or a lease is as close to the cutoff as can be
     * @param collection somebody asks for a collection while it is made
     * @param stall who asks gets no processor, before one lock or another, until that is done
     * @param dropping and for all history to be dropped that is not needed any more
     */
    record Clients(
            int branch,
            int ask,
            int lease,
            int point,
            int change,
            int fill,
            int read,
            Chance atCutoff,
            Chance collection,
            Chance stall,
            Chance dropping,
            int mostTimelines) {
        /** What one does next. */
        enum Deed {
            BRANCH,
            ASK,
            LEASE,
            POINT,
            CHANGE,
            FILL,
            READ
        }

        Deed next(Prng random) {
            int left = random.nextInt(branch + ask + lease + point + change + fill + read);
            if ((left -= branch) < 0) {
                return Deed.BRANCH;
            }
            if ((left -= ask) < 0) {
                return Deed.ASK;
            }
            if ((left -= lease) < 0) {
                return Deed.LEASE;
            }
            if ((left -= point) < 0) {
                return Deed.POINT;
            }
            if ((left -= change) < 0) {
                return Deed.CHANGE;
            }
            return left < fill ? Deed.FILL : Deed.READ;
        }
    }

    StorageProfile {
        mustReach = List.copyOf(mustReach);
        mustReachInMany = List.copyOf(mustReachInMany);
        require(mostLives > 0 && lifeNanos > 0, "no time for a life before the last one");
        require(roomBytes > 0 && fullNanos > 0, "no room, or no time that the disk is full");
        require(history.bytes > 0 && history.leaseNanos > 0, "no history, or no time for it");
        require(clients.read > 0 && clients.mostTimelines > 0, "clients that never read");
    }

    /** Files are written by people: what is wrong in them is no defect. */
    private static void require(boolean condition, String otherwise) {
        if (!condition) {
            throw new IllegalArgumentException(otherwise);
        }
    }

    /** One that comes with the simulator. */
    static StorageProfile builtIn(String name) {
        return read(name, ScenarioFile.builtIn(name));
    }

    /** An IllegalArgumentException says which key of the file is wrong, and how. */
    static StorageProfile read(String name, ScenarioFile own) {
        ScenarioFile file = own.otherwise(ScenarioFile.builtIn(DEFAULTS));
        file.require("kind", DEFAULTS);
        return new StorageProfile(
                name,
                file.strings(ScenarioFile.MUST_REACH),
                file.strings(ScenarioFile.MUST_REACH_IN_MANY),
                file.bool("bit_rot"),
                file.number("lives.most"),
                file.seconds("lives.seconds"),
                file.chance("lives.in_order"),
                file.chance("lives.by_time"),
                file.chance("disk.read_fails"),
                file.chance("disk.full"),
                file.chance("disk.full_again"),
                file.seconds("disk.full_seconds"),
                file.seconds("disk.room_seconds"),
                file.number("disk.room_bytes"),
                Slowness.of(file),
                new History(
                        file.chance("history.by_time"),
                        file.number("history.bytes"),
                        file.chance("history.none"),
                        file.number("history.gc_millis") * MILLIS,
                        file.seconds("history.lease_seconds")),
                new Clients(
                        file.number("clients.branch"),
                        file.number("clients.ask"),
                        file.number("clients.lease"),
                        file.number("clients.point"),
                        file.number("clients.change"),
                        file.number("clients.fill"),
                        file.number("clients.read"),
                        file.chance("clients.at_cutoff"),
                        file.chance("clients.collection"),
                        file.chance("clients.stall"),
                        file.chance("clients.dropping"),
                        file.number("clients.most_timelines")));
    }
}
