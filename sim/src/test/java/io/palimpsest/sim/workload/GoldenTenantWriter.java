package io.palimpsest.sim.workload;

import io.palimpsest.base.EvictionConfig;
import io.palimpsest.base.HeatmapConfig;
import io.palimpsest.base.Key;
import io.palimpsest.base.Label;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.OwnershipConfig;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantSetting;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.Disk;
import io.palimpsest.remote.RemoteLimits;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimObjectStore;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.fault.SimWalSource;
import io.palimpsest.sim.fault.StoreFaults;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.LocationMode;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.timeline.WalSource;
import io.palimpsest.timeline.WalWriting;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.zip.CRC32C;
import java.util.zip.GZIPOutputStream;

/**
 * Writes the golden tenant of the format as it is: {@code GoldenTenantWriter FILE}. A page server
 * of now does all that leaves something behind, in a simulation without faults; its disk, its store
 * and what the reference knows are packed.
 */
final class GoldenTenantWriter implements Scenario {
    private static final TimelineId WRITTEN = new TimelineId(7, 0xA1);
    private static final TimelineId OF_BRANCH = new TimelineId(7, 0xA2);
    private static final TimelineId DETACHED = new TimelineId(7, 0xA3);
    private static final TimelineId ARCHIVED = new TimelineId(7, 0xA4);
    private static final long START_LSN = 0x0200_0028L;
    private static final long SECOND = 1_000_000_000L;

    private final TreeMap<String, byte[]> files = new TreeMap<>();
    private final StringBuilder facts = new StringBuilder();
    private final StringBuilder expected = new StringBuilder();

    public static void main(String[] args) throws IOException {
        GoldenTenantWriter writer = new GoldenTenantWriter();
        Simulation.run(writer, args.length > 1 ? Long.parseLong(args[1]) : 10).check();
        Files.write(Path.of(args[0]), writer.packed());
    }

    @Override
    public String name() {
        return "golden-tenant";
    }

    /** What is there twice is packed once. */
    private byte[] packed() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(new GZIPOutputStream(bytes))) {
            List<byte[]> contents = new ArrayList<>();
            out.writeInt(files.size());
            for (var file : files.entrySet()) {
                out.writeUTF(file.getKey());
                int known = -1;
                for (int i = 0; i < contents.size(); i++) {
                    known = Arrays.equals(contents.get(i), file.getValue()) ? i : known;
                }
                out.writeInt(known < 0 ? file.getValue().length : -1 - known);
                if (known < 0) {
                    out.write(file.getValue());
                    contents.add(file.getValue());
                }
            }
        }
        return bytes.toByteArray();
    }

    @Override
    public void run(Simulation s) {
        Prng random = s.random("workload");
        SimNet net = new SimNet(s, FaultPlan.quiet());
        Machine source = new Machine(net, "postgres", FaultPlan.quiet());
        Machine machine = new Machine(net, "pageserver", FaultPlan.quiet());
        SimObjectStore store = new SimObjectStore(s, StoreFaults.quiet());
        PgVersion version = PgVersion.ofMajor(17);
        SimWalSource wal = new SimWalSource(START_LSN);
        ReferencePageserver reference = new ReferencePageserver();
        WalWorkload workload =
                new WalWorkload(
                        random.split("records"),
                        version,
                        START_LSN,
                        reference,
                        wal,
                        source.clock()::wallMillis);
        workload.init();
        SimPostgres postgres = new SimPostgres(source, version, wal, workload::backup);
        source.start("postmaster", postgres::serve);
        machine.start(
                        "pageserver",
                        () -> serve(machine, store, random, version, workload, wal, reference))
                .join();
        postgres.stop();
        facts.append("postgres ").append(version.major()).append('\n');
        facts.append("next ").append(workload.counters().nextXid()).append(' ');
        facts.append(workload.counters().nextRelation()).append(' ');
        facts.append(Lsn.toString(workload.counters().previousLsn())).append('\n');
        files.put("facts.txt", facts.toString().getBytes(StandardCharsets.UTF_8));
        files.put("expected.txt", expected.toString().getBytes(StandardCharsets.UTF_8));
        machine.start("pack", () -> pack(machine.files(), "tenants")).join();
        store.keys().forEach(key -> files.put("store/" + key, store.content(key)));
    }

    private void pack(Disk disk, String directory) {
        for (String name : disk.list(directory)) {
            String path = directory + "/" + name;
            if (!disk.list(path).isEmpty()) {
                pack(disk, path);
                continue;
            }
            try (Disk.Input in = disk.open(path)) {
                byte[] bytes = new byte[(int) in.size()];
                in.read(0, bytes, 0, bytes.length);
                files.put("disk/" + path, bytes);
            }
        }
    }

    private static Limits limits() {
        return new Limits(
                16_384,
                12_288,
                600 * SECOND,
                50,
                65_536,
                1024,
                Limits.DEFAULT.recordBytes(),
                10 * SECOND,
                1 << 20,
                100,
                8,
                4,
                0);
    }

    private void serve(
            Machine machine,
            SimObjectStore store,
            Prng random,
            PgVersion version,
            WalWorkload workload,
            SimWalSource wal,
            ReferencePageserver reference) {
        TenantConfig config =
                new TenantConfig(0, 20_000, 0, SECOND, 2, 6, 24_576, 2, 7200 * SECOND);
        Tenants tenants =
                Tenants.load(
                        machine.environment(),
                        limits(),
                        config,
                        new RemoteStore(
                                store,
                                machine.clock(),
                                machine.tasks(),
                                machine.ids(),
                                machine.tracer(),
                                RemoteLimits.DEFAULT),
                        EvictionConfig.DEFAULT,
                        OwnershipConfig.DEFAULT,
                        HeatmapConfig.DEFAULT);
        Timeline main =
                tenants.createFromSource(
                        BackupRun.TENANT,
                        BackupRun.MAIN,
                        WalSource.parse(
                                "host=postgres port=" + SimPostgres.PORT + " user=sim", "sim"));
        tenants.configure(
                BackupRun.TENANT,
                _ ->
                        TenantOverrides.NONE.with(
                                Map.of(TenantSetting.IMAGE_CREATION_THRESHOLD, 2L), Set.of()));
        more(machine, workload, wal, main, 14);
        long early = workload.recordEnds().floor(main.lastRecordLsn());
        Timeline written =
                tenants.createBranch(
                        BackupRun.TENANT, WRITTEN, BackupRun.MAIN, early, new Label("dev"));
        ReferencePageserver ofWritten = reference.branch(early);
        SimWalSource branchWal = new SimWalSource(early);
        WalWorkload branchLoad =
                workload.branch(random.split("branch"), early, ofWritten, branchWal);
        feed(branchLoad, branchWal, written, 10);
        long middle = branchLoad.recordEnds().floor(written.lastRecordLsn());
        Timeline ofBranch =
                tenants.createBranch(BackupRun.TENANT, OF_BRANCH, WRITTEN, middle, null);
        feed(branchLoad, branchWal, written, 8);
        tenants.createPoint(written, new Label("before"), middle, true);
        tenants.createPoint(written, new Label("seen"), written.lastRecordLsn(), false);
        tenants.protect(written, true);
        settle(tenants, main, written);

        more(machine, workload, wal, main, 12);
        long leased = main.lastRecordLsn();
        long until = main.lease(leased);
        more(machine, workload, wal, main, 8);
        long pinned = main.lastRecordLsn();
        tenants.createPoint(main, new Label("release"), pinned, true);
        more(machine, workload, wal, main, 8);
        long late = main.lastRecordLsn();
        Timeline detached =
                tenants.createBranch(BackupRun.TENANT, DETACHED, BackupRun.MAIN, late, null);
        tenants.detach(BackupRun.TENANT, DETACHED);
        Timeline archived =
                tenants.createBranch(BackupRun.TENANT, ARCHIVED, BackupRun.MAIN, late, null);
        tenants.expire(archived, Simulation.EPOCH_MILLIS + 86_400_000L * 365);
        tenants.archive(BackupRun.TENANT, ARCHIVED);
        settle(tenants, main, written, detached);
        tenants.housekeeper().gcNow(main);
        more(machine, workload, wal, main, 16);
        settle(tenants, main, written, detached);
        tenants.housekeeper().gcNow(main);
        settle(tenants, main);
        // What comes now has layers of a second generation.
        tenants.locate(
                BackupRun.TENANT, LocationMode.ATTACHED_SINGLE, OptionalInt.of(2), false, null);
        machine.tasks().sleep(60 * SECOND);
        main = tenants.timeline(BackupRun.TENANT, BackupRun.MAIN);
        written = tenants.timeline(BackupRun.TENANT, WRITTEN);
        ofBranch = tenants.timeline(BackupRun.TENANT, OF_BRANCH);
        detached = tenants.timeline(BackupRun.TENANT, DETACHED);
        archived = tenants.timeline(BackupRun.TENANT, ARCHIVED);
        more(machine, workload, wal, main, 4);
        main.flushUpTo(main.lastRecordLsn());
        for (Timeline t : List.of(main, written, ofBranch, detached)) {
            if (!t.awaitSafe(t.diskConsistentLsn(), 600 * SECOND)) {
                throw new IllegalStateException("not in the store: " + t.id());
            }
        }
        machine.tasks().sleep(60 * SECOND);
        tenants.putHeatmap(BackupRun.TENANT);

        line(main, null, 0, reference);
        line(written, BackupRun.MAIN, early, ofWritten);
        line(ofBranch, WRITTEN, middle, ofWritten.branch(middle));
        line(detached, BackupRun.MAIN, late, reference.branch(late));
        line(archived, BackupRun.MAIN, late, reference.branch(late));
        facts.append("lease %s %s %d%n".formatted(main.id(), Lsn.toString(leased), until));
        facts.append("pin %s %s release%n".formatted(main.id(), Lsn.toString(pinned)));
        facts.append("name %s dev%n".formatted(written.id()));
        facts.append("pin %s %s before%n".formatted(written.id(), Lsn.toString(middle)));
        files.put("reference/" + main.id(), reference.save());
        files.put("reference/" + written.id(), ofWritten.save());
        expect(main, reference, leased, pinned, main.oldestReadableLsn(), main.lastRecordLsn());
        expect(main, reference, (main.oldestReadableLsn() + main.lastRecordLsn()) / 2);
        expect(written, ofWritten, middle, written.lastRecordLsn());
        expect(ofBranch, ofWritten, middle);
        expect(detached, reference, late);
        tenants.close();
    }

    private static void more(
            Machine machine, WalWorkload workload, SimWalSource wal, Timeline to, int records) {
        for (int i = 0; i < records; i++) {
            workload.write();
        }
        while (to.lastRecordLsn() < wal.end()) {
            machine.tasks().sleep(SECOND / 10);
        }
    }

    private static void feed(WalWorkload workload, SimWalSource wal, Timeline branch, int records) {
        WalWriting writing = new WalWriting(branch, limits(), branch.lastRecordLsn());
        byte[] piece = new byte[1 << 16];
        for (int i = 0; i < records; i++) {
            workload.write();
            while (writing.position() < wal.end()) {
                int n = wal.read(writing.position(), piece, 0, piece.length);
                writing.write(writing.position(), piece, 0, n);
            }
        }
        branch.flushUpTo(branch.lastRecordLsn());
    }

    private static void settle(Tenants tenants, Timeline... timelines) {
        for (Timeline t : timelines) {
            t.flushUpTo(t.lastRecordLsn());
            tenants.housekeeper().runToQuiescence(t);
        }
    }

    private void line(Timeline t, TimelineId from, long lsn, ReferencePageserver reference) {
        facts.append(
                "timeline %s %s %s %s%n"
                        .formatted(
                                t.id(),
                                from == null ? "none" : from,
                                Lsn.toString(lsn),
                                Lsn.toString(t.lastRecordLsn())));
        reference.compareAll(t, t.lastRecordLsn());
    }

    private void expect(Timeline t, ReferencePageserver reference, long... lsns) {
        for (long lsn : lsns) {
            reference.compareAll(t, lsn);
            reference.contents(lsn).forEach((key, content) -> line(t.id(), key, lsn, content));
        }
    }

    private void line(TimelineId id, Key key, long lsn, byte[] content) {
        CRC32C crc = new CRC32C();
        crc.update(content);
        expected.append(
                "%s %s %s %08x%n".formatted(id, key, Lsn.toString(lsn), (int) crc.getValue()));
    }
}
