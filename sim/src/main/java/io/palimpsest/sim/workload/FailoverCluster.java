package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.Prng;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.WalHistory;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.fault.SimWalSource;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The PostgreSQL cluster of a {@link FailoverScenario}: a primary and its clients, standbys that
 * are some records behind, and who promotes one of them when the primary has failed, as he thinks.
 * What pages are is told for each WAL timeline by a reference of its own, which hangs on the one
 * before at the end of that.
 */
final class FailoverCluster {
    static final long START_LSN = 0x0200_0028L;
    private static final long MILLIS = 1_000_000L;
    private static final long SECOND = 1000 * MILLIS;

    /** A server, and what it writes if it is a primary. */
    private static final class Member {
        final Machine machine;
        final SimWalSource wal;
        final SimPostgres postgres;
        @Nullable WalWorkload workload;
        boolean slotAwaited;
        boolean writes;

        /**
         * What it had last been given by the primary that it is a standby of: the end of a record.
         */
        long replayed;

        Member(Machine machine, SimWalSource wal, SimPostgres postgres) {
            this.machine = machine;
            this.wal = wal;
            this.postgres = postgres;
        }

        String host() {
            return machine.node().name();
        }
    }

    private final FailoverProfile profile;
    private final Prng random;
    private final SimNet net;
    private final PgVersion version;
    private final long pauseNanos;
    private final Map<String, Member> members = new LinkedHashMap<>();
    private final Map<WalHistory, ReferencePageserver> references = new LinkedHashMap<>();
    private Member primary;
    private String told;
    private int failovers;
    private int records;
    private long imported;

    FailoverCluster(FailoverProfile profile, Prng random, SimNet net) {
        this.profile = profile;
        this.random = random;
        this.net = net;
        version = PgVersion.ofMajor(14 + random.nextInt(5));
        // The reference keeps each version of each page, and a failover takes minutes.
        pauseNanos = 50 * MILLIS + random.nextLong(250 * MILLIS);
        records = 60 + random.nextInt(250);
        failovers = 1 + random.nextInt(profile.mostFailovers());
        Machine machine = new Machine(net, "postgres0", FaultPlan.quiet());
        ReferencePageserver reference = new ReferencePageserver();
        SimWalSource wal = new SimWalSource(START_LSN, true);
        WalWorkload workload =
                new WalWorkload(
                        random.split("records"),
                        version,
                        START_LSN,
                        reference,
                        wal,
                        machine.clock()::wallMillis);
        workload.init();
        SimPostgres postgres = new SimPostgres(machine, version, wal, workload::backup);
        primary = new Member(machine, wal, postgres);
        primary.workload = workload;
        members.put(primary.host(), primary);
        references.put(postgres.history(), reference);
        told = primary.host();
    }

    // ---- what the page server's people know ----

    /** Whom it should follow, as they think. */
    String host() {
        return told;
    }

    /** The first import is done, and readable from there on: no failover loses that. */
    void imported(long lsn) {
        imported = Math.max(1, lsn);
    }

    /** Nothing fails any more, and nothing more is written. */
    boolean over() {
        return failovers == 0 && records == 0 && told.equals(primary.host());
    }

    long walEnd() {
        return primary.wal.end();
    }

    WalHistory history() {
        return primary.postgres.history();
    }

    private Member member(String host) {
        return Objects.requireNonNull(members.get(host), host);
    }

    /** Is it known that there is no slot on it, or was there none a moment ago? */
    boolean slotMayBeMissing(String host) {
        return member(host).slotAwaited;
    }

    /** What pages are for who has followed WAL so. */
    ReferencePageserver reference(WalHistory history) {
        ReferencePageserver found = references.get(history);
        if (found == null) {
            Check.that(false, "a history of WAL that never was: %s", history);
            throw new IllegalStateException();
        }
        return found;
    }

    /** The oldest byte that the server keeps for the slot. */
    long keptFrom(String host) {
        return member(host).wal.keptFrom();
    }

    /**
     * On which timeline of which beginning that host's WAL up to an LSN was written; null: none.
     */
    WalHistory.@Nullable Ended writer(String host, long lsn) {
        Member member = member(host);
        return lsn > member.wal.end() ? null : writer(member.postgres.history(), lsn);
    }

    /** The same of any history: the number, and where it began. */
    static WalHistory.Ended writer(WalHistory history, long lsn) {
        long begin = 0;
        for (WalHistory.Ended e : history.past()) {
            if (lsn <= e.lsn()) {
                return new WalHistory.Ended(e.timelineId(), begin);
            }
            begin = e.lsn();
        }
        return new WalHistory.Ended(history.timelineId(), begin);
    }

    // ---- what happens ----

    void start() {
        primary.postgres.createSlot();
        serve(primary);
        write(primary);
    }

    void stop() {
        members.values().forEach(m -> m.postgres.stop());
    }

    private static void serve(Member member) {
        member.machine.start("postmaster", member.postgres::serve);
    }

    private void write(Member member) {
        WalWorkload workload = member.workload;
        Check.that(workload != null, "no clients");
        member.writes = true;
        member.machine.start(
                "clients",
                () -> {
                    while (member.writes && workload != null) {
                        // A former primary's clients go on as long as it lives.
                        boolean counts = member == primary;
                        if (counts && records == 0 && failovers == 0) {
                            return;
                        }
                        workload.write();
                        records -= counts && records > 0 ? 1 : 0;
                        member.machine.tasks().sleep(random.nextLong(2 * pauseNanos));
                    }
                });
    }

    /** Fails, and promotes; by a task of its own, on a machine of its own. */
    void run(Tasks tasks) {
        while (imported == 0) {
            tasks.sleep(SECOND);
        }
        for (int n = 1; failovers > 0; n++) {
            boolean second = profile.second().strikes(random);
            Member standby = standby("postgres" + n);
            @Nullable Member other = second ? standby("postgres" + n + "b") : null;
            tasks.sleep(random.nextLong(profile.pauseNanos()));
            if (profile.followsStandby().strikes(random)) {
                told = standby.host();
                primary.machine.node().simulation().probe("failover-followed-standby");
                tasks.sleep(random.nextLong(profile.pauseNanos()));
            }
            while (!promotable(standby) || other != null && !promotable(other)) {
                tasks.sleep(SECOND);
            }
            failOver(tasks, standby, other);
            failovers--;
        }
    }

    private boolean promotable(Member standby) {
        WalWorkload workload = primary.workload;
        return standby.replayed >= imported
                && workload != null
                && workload.recordEnds().contains(standby.replayed);
    }

    private void failOver(Tasks tasks, Member standby, @Nullable Member other) {
        Member former = primary;
        if (profile.orderly().strikes(random)) {
            former.writes = false;
            tasks.sleep(2 * pauseNanos + SECOND);
            // Records that nobody has got are not lost by a switchover.
            receive(former, standby, former.wal.end());
        }
        int number = former.postgres.history().timelineId() + 1;
        if (other != null && other.replayed != standby.replayed) {
            abandonLater(tasks, promote(former, other, number));
            // From the same LSN on under the same number: nothing that tells the two apart.
            while (other.replayed == standby.replayed) {
                tasks.sleep(SECOND);
            }
        }
        primary = promote(former, standby, number);
        boolean livesOn = profile.livesOn().strikes(random);
        if (!livesOn) {
            former.machine.losePower();
        }
        if (!told.equals(standby.host())) {
            tasks.sleep(random.nextLong(profile.toldLateNanos()));
            told = standby.host();
        }
        if (livesOn) {
            tasks.sleep(random.nextLong(profile.livesOnNanos()));
            former.writes = false;
            former.machine.losePower();
        }
    }

    /** Two were promoted; people have the page server follow the wrong one for a while. */
    private void abandonLater(Tasks tasks, Member other) {
        told = other.host();
        other.machine.node().simulation().probe("failover-two-primaries");
        tasks.sleep(random.nextLong(profile.secondNanos()));
        other.writes = false;
        other.machine.losePower();
    }

    private Member promote(Member former, Member standby, int number) {
        WalHistory history = standby.postgres.promote(number, standby.replayed);
        ReferencePageserver reference =
                reference(former.postgres.history()).branch(standby.replayed);
        references.put(history, reference);
        WalWorkload before = former.workload;
        Check.that(before != null, "the former primary has no clients");
        if (before != null) {
            standby.workload =
                    before.promoted(
                            random.split(standby.host()),
                            standby.replayed,
                            reference,
                            standby.wal,
                            history);
        }
        standby.machine.note(
                "postgres-promoted", standby.host() + " at " + Lsn.toString(standby.replayed));
        write(standby);
        return standby;
    }

    /** A machine that replays what the primary writes, some records later. */
    private Member standby(String name) {
        Member of = primary;
        Machine machine = new Machine(net, name, FaultPlan.quiet());
        SimWalSource wal = new SimWalSource(of.wal.keptFrom(), true);
        Member standby = new Member(machine, wal, of.postgres.standby(machine, wal));
        standby.replayed = of.wal.keptFrom();
        members.put(name, standby);
        int lag = random.nextInt(profile.lagRecords());
        serve(standby);
        machine.start(
                "walreceiver",
                () -> {
                    while (standby.workload == null) {
                        receive(of, standby, behind(of, lag));
                        machine.tasks().sleep(random.nextLong(SECOND / 2));
                    }
                });
        giveSlot(standby);
        return standby;
    }

    private void giveSlot(Member standby) {
        if (!profile.slotLate().strikes(random)) {
            standby.postgres.createSlot();
            return;
        }
        standby.slotAwaited = true;
        standby.machine.node().simulation().probe("failover-slot-missing");
        standby.machine.start(
                "dba",
                () -> {
                    standby.machine.tasks().sleep(random.nextLong(profile.slotLateNanos()));
                    standby.postgres.createSlot();
                    // A receiver that is broken looks again once a minute.
                    standby.machine.tasks().sleep(70 * SECOND);
                    standby.slotAwaited = false;
                });
    }

    /** The end of the record that is so many before the last one. */
    private static long behind(Member of, int records) {
        WalWorkload workload = of.workload;
        long end = START_LSN;
        if (workload != null) {
            int skip = records;
            for (long lsn : workload.recordEnds().descendingSet()) {
                if (skip-- == 0) {
                    end = lsn;
                    break;
                }
            }
        }
        return end;
    }

    /**
     * The standby has WAL up to the end of a record now, and perhaps the first bytes of the next
     * one, which it will never replay if it is promoted.
     */
    private void receive(Member of, Member standby, long end) {
        if (end <= standby.replayed || standby.workload != null) {
            return;
        }
        SimWalSource wal = standby.wal;
        wal.cutTo(Math.max(standby.replayed, wal.keptFrom()));
        long more = Math.min(of.wal.end(), end + random.nextInt(16));
        byte[] bytes = of.wal.copy(standby.replayed, more);
        wal.append(bytes, 0, bytes.length);
        standby.replayed = end;
    }
}
