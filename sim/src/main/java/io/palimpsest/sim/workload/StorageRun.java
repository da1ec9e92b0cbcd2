package io.palimpsest.sim.workload;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.Disk;
import io.palimpsest.port.Tasks;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.check.StoredFiles;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.fault.SimWalSource;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** One run of {@link StorageScenario}: the two machines, and what is true of both. */
final class StorageRun {
    static final TenantId TENANT = new TenantId(1, 2);
    private static final TimelineId MAIN = new TimelineId(3, 4);
    private static final long START_LSN = 0x0200_0028L;
    private static final long MILLIS = 1_000_000L;
    private static final long SECOND = 1000 * MILLIS;
    private static final long NEVER_FULL = Long.MIN_VALUE;

    /** So long after there is room again things may still fail for lack of it. */
    private static final long AFTERMATH = 120 * SECOND;

    /** What is worth knowing of where the power was lost: class, method, what it is. */
    private static final Map<String, String> PLACES =
            Map.ofEntries(
                    Map.entry("Compactor.merge", "merge"),
                    Map.entry("Compactor.createImages", "images"),
                    Map.entry("Compactor.dropHistory", "history"),
                    Map.entry("GarbageCollector.run", "collection"),
                    Map.entry("TimelineLayers.replace", "exchange"),
                    Map.entry("Flusher.flush", "flush"),
                    Map.entry("TimelineStore.importFrom", "import"),
                    Map.entry("TimelineStore.createBranch", "branching"),
                    Map.entry("TimelineStore.delete", "deletion"),
                    Map.entry("Detachment.run", "detachment"),
                    Map.entry("HistoryWindow.lease", "lease"),
                    Map.entry("HistoryWindow.advanceCutoff", "cutoff"),
                    Map.entry("Tenants.load", "start"));

    private final Simulation simulation;
    private final Prng random;
    private final Machine source;
    private final Machine server;
    private final UnaryOperator<Disk> diskSeen;
    private final Mischief mischief;
    private final StorageProfile profile;
    private final boolean rotten;

    /** A stream of its own: where it never strikes, all else is as if it were not. */
    private final Prng atCutoff;

    private final PgVersion version;
    private final Limits limits;
    private final TenantConfig config;
    private final WalWorkload workload;
    private final SimPostgres postgres;
    private final long pauseNanos;
    private final List<Line> lines = new ArrayList<>();
    private final Line main;
    private int nextId = 5;
    private int nextPoint;
    private FaultPlan plan = FaultPlan.quiet();

    /** The disk is full; when it was so the last time in this life, in virtual time. */
    private boolean full;

    private long fullUntil = NEVER_FULL;
    private final boolean fillsDisk;
    private boolean ending;
    private boolean last;

    StorageRun(
            Simulation simulation,
            Prng random,
            Machine source,
            Machine server,
            UnaryOperator<Disk> diskSeen,
            Mischief mischief,
            StorageProfile profile) {
        this.simulation = simulation;
        this.random = random;
        this.source = source;
        this.server = server;
        this.diskSeen = diskSeen;
        this.mischief = mischief;
        this.profile = profile;
        rotten = profile.bitRot();
        atCutoff = random.split("at cutoff");
        version = PgVersion.ofMajor(14 + random.nextInt(5));
        limits = hostileLimits(random);
        config = hostileConfig(random, profile.history());
        fillsDisk = profile.full().strikes(random);
        pauseNanos = 1L + random.nextInt(10_000_000);
        SimWalSource wal = new SimWalSource(START_LSN);
        ReferencePageserver reference = new ReferencePageserver();
        workload =
                new WalWorkload(
                        random.split("records"),
                        version,
                        START_LSN,
                        reference,
                        wal,
                        source.clock()::wallMillis);
        workload.init();
        main = new Line(MAIN, null, 0, reference, workload, wal);
        main.records = 100 + random.nextInt(300);
        lines.add(main);
        postgres = new SimPostgres(source, version, wal, workload::backup);
        server.node().atPowerLoss(this::powerLostAt);
    }

    private void powerLostAt(StackTraceElement frame) {
        String in = frame.getClassName();
        String place =
                PLACES.get(in.substring(in.lastIndexOf('.') + 1) + "." + frame.getMethodName());
        if (place != null) {
            probe("power-lost-during-" + place);
        }
    }

    private static Limits hostileLimits(Prng random) {
        return new Limits(
                8192L << random.nextInt(4),
                1L << 14 + random.nextInt(6),
                MILLIS << random.nextInt(10),
                1 + random.nextInt(100),
                1 << 10 + random.nextInt(8),
                256 << random.nextInt(6),
                Limits.DEFAULT.recordBytes(),
                10 * SECOND,
                random.nextInt(3) * 65_536L,
                1 << random.nextInt(10),
                1 + random.nextInt(8),
                random.nextInt(6),
                random.nextInt(4) == 0 ? 1 << 20 : 0);
    }

    private static TenantConfig hostileConfig(Prng random, StorageProfile.History history) {
        int threshold = 1 + random.nextInt(3);
        return new TenantConfig(
                history.byTime().strikes(random) ? (50 * MILLIS) << random.nextInt(6) : 0,
                history.none().strikes(random) ? 0 : random.nextInt(history.bytes()),
                Math.min(history.gcNanos(), (8 * MILLIS) << random.nextInt(7)),
                MILLIS << random.nextInt(10),
                threshold,
                threshold + random.nextInt(4),
                4096L << random.nextInt(6),
                1 + random.nextInt(3),
                Math.min(history.leaseNanos(), (100 * MILLIS) << random.nextInt(6)));
    }

    SimPostgres postgres() {
        return postgres;
    }

    /** From now on. */
    void faults(FaultPlan newPlan) {
        plan = newPlan;
        ending = false;
        full = false;
        fullUntil = NEVER_FULL;
        server.disk().plan(newPlan);
    }

    boolean fillsDisk() {
        return fillsDisk && profile.fullAgain().strikes(random);
    }

    StorageProfile.Clients clients() {
        return profile.clients();
    }

    /** Should a branch or a lease be as close to the cutoff as can be? */
    boolean closeToCutoff() {
        return profile.clients().atCutoff().strikes(atCutoff);
    }

    /** Is history given up at the very moment that somebody asks for some of it to be kept? */
    boolean collectsMeanwhile() {
        return profile.clients().collection().strikes(atCutoff);
    }

    /** The task that asks for history gets no processor until the other one is done. */
    boolean maybeStall(Tasks.Task until) {
        boolean stalls = profile.clients().stall().strikes(atCutoff);
        if (stalls) {
            simulation.stall(atCutoff.nextInt(1 << atCutoff.nextInt(6)), until, SECOND);
        }
        return stalls;
    }

    /** Is what was given up dropped at once? */
    boolean dropsMeanwhile() {
        return profile.clients().dropping().strikes(atCutoff);
    }

    /** How far a collection that is asked for moves the cutoff. */
    long step(long room) {
        return 1 + atCutoff.nextLong(Math.min(room, 1 + atCutoff.nextLong(16_384)));
    }

    /** About what a collection takes to move the cutoff. */
    long untilAnotherAsks() {
        return 1 + atCutoff.nextLong(8 * plan.diskNanos() + MILLIS);
    }

    /** An LSN there: mostly just not below it. */
    long closeTo(long cutoff) {
        return Lsn.align(cutoff) + 8L * (atCutoff.nextInt(4) - 1);
    }

    /** For a while there is next to no room on the disk. */
    void fillDisk() {
        boolean again = simulation.now() - fullUntil < profile.roomNanos();
        if (!full && (fullUntil == NEVER_FULL || !again)) {
            full = true;
            long room = random.nextInt(1 + random.nextInt(profile.roomBytes()));
            server.disk().plan(plan.withCapacity(server.disk().used() + room));
            simulation.after(
                    random.nextLong(1 + random.nextLong(profile.fullNanos())),
                    server.node(),
                    this::makeRoom);
        }
    }

    /** The power goes within the next few operations of the disk, if it may go in this life. */
    void losePowerSoon() {
        if (!last && !ending && !full) {
            long at = server.disk().operations() + 1 + random.nextInt(40);
            server.disk().plan(plan.withPowerLossAt(at));
        }
    }

    private void makeRoom() {
        full = false;
        fullUntil = simulation.now();
        server.disk().plan(plan);
    }

    /** Was it in this life? */
    boolean wasFull() {
        return full || fullUntil != NEVER_FULL;
    }

    boolean full() {
        return full;
    }

    /** It is for lack of room, or of what there was, that something may fail. */
    boolean lacksRoom(PageserverException e) {
        return e.code() == ErrorCode.NO_SPACE
                && (full || fullUntil != NEVER_FULL && simulation.now() - fullUntil < AFTERMATH);
    }

    /** The next life goes on until all is done. */
    void lastLife() {
        last = true;
    }

    /** The life under way is ended by an orderly stop. */
    void endInOrder() {
        ending = true;
    }

    boolean ending() {
        return ending && !last;
    }

    boolean last() {
        return last;
    }

    /** Reads may fail, or find what is not right. */
    boolean readsMayFail() {
        return plan.readFails() > 0 || rotten && !last;
    }

    void probe(String what) {
        simulation.probe(what);
    }

    Prng random() {
        return random;
    }

    void mischief(Timeline timeline) {
        mischief.act(timeline, random);
    }

    Machine server() {
        return server;
    }

    Limits limits() {
        return limits;
    }

    TenantConfig config() {
        return config;
    }

    Line main() {
        return main;
    }

    /** All there ever were. */
    List<Line> lines() {
        return lines;
    }

    /** A branch that is to be asked for; what writes to it goes on from there. */
    Line newLine(Line ancestor, long lsn, boolean written) {
        TimelineId id = new TimelineId(3, nextId++);
        ReferencePageserver reference = ancestor.reference.branch(lsn);
        WalWorkload from = ancestor.workload;
        Line line;
        if (written && from != null) {
            SimWalSource wal = new SimWalSource(lsn);
            line =
                    new Line(
                            id,
                            ancestor,
                            lsn,
                            reference,
                            from.branch(random.split("branch " + id), lsn, reference, wal),
                            wal);
            line.records = 20 + random.nextInt(60);
        } else {
            line = new Line(id, ancestor, lsn, reference, null, null);
        }
        line.firstCutoff = lsn;
        lines.add(line);
        return line;
    }

    /** A name that no point has had. */
    Label newPoint() {
        return new Label("p" + nextPoint++);
    }

    /** The source's clients. */
    void write() {
        while (main.records > 0) {
            workload.write();
            main.records--;
            source.tasks().sleep(random.nextLong(2 * pauseNanos));
        }
    }

    private Tenants load() {
        return Tenants.load(server.environment(diskSeen.apply(server.disk())), limits, config);
    }

    /** One life of the page server. */
    void live() {
        Tenants tenants = load();
        StorageClients clients = new StorageClients(this, tenants);
        clients.live();
        if (last) {
            clients.rest();
            clients.compareAll();
        }
        tenants.close();
        if (last) {
            StoredFiles.checkAllNamed(server.disk());
        }
    }

    /** Nothing is written any more. */
    void compareAfterRestart() {
        Tenants tenants = load();
        StorageClients clients = new StorageClients(this, tenants);
        clients.settle();
        clients.compareAll();
        tenants.close();
        StoredFiles.checkAllNamed(server.disk());
    }
}
