package io.palimpsest.regress.storage;

import io.palimpsest.base.Generation;
import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.base.Limits;
import io.palimpsest.base.Lsn;
import io.palimpsest.base.LsnRange;
import io.palimpsest.base.TimelineId;
import io.palimpsest.layer.DeltaLayerWriter;
import io.palimpsest.layer.LayerName;
import io.palimpsest.pg.Page;
import io.palimpsest.port.Disk;
import io.palimpsest.regress.PageSource;
import io.palimpsest.regress.PageserverClient;
import io.palimpsest.regress.ServerProcess;
import io.palimpsest.regress.WorkingDirectory;
import io.palimpsest.regress.storage.Report.Row;
import io.palimpsest.timeline.Timeline;
import io.palimpsest.value.Keys;
import io.palimpsest.value.StoredValue;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * From the start of the server to the first page served, with 10,000 layer files on the local disk
 * against 100: delta layers side by side, of 4 pages each.
 */
final class RestartPart implements Part {
    private static final int FEW = 100;
    private static final int MANY = 10_000;
    private static final int PAGES = 4;
    private static final TimelineId TIMELINE = new TimelineId(7, 7);

    @Override
    public void run(Setting setting, Report report) throws IOException {
        Row whole = new Row();
        Row opening = new Row();
        Path few = Files.createDirectories(setting.home().resolve("few"));
        Path many = Files.createDirectories(setting.home().resolve("many"));
        report.say("restart: writing " + MANY + " layers");
        long fewLsn = make(setting, few.resolve("pageserver"), FEW);
        long manyLsn = make(setting, many.resolve("pageserver"), MANY);
        for (int round = 0; round <= setting.rounds(); round++) {
            report.say("restart" + (round == 0 ? ", warm-up" : ", round " + round));
            double theirs = firstPage(few, fewLsn);
            double ours = firstPage(many, manyLsn);
            double opensFew = open(few.resolve("pageserver"));
            double opensMany = open(many.resolve("pageserver"));
            if (round > 0) {
                whole.add(ours, theirs);
                opening.add(opensMany, opensFew);
            }
        }
        report.cost(
                "start to first page, 10,000 layers",
                "start to first page, 100 layers",
                "ms",
                whole,
                Goal.atMost(3),
                "with the start of the JVM");
        report.cost("  opening the timeline, in a warm JVM", "100 layers", "ms", opening, null, "");
    }

    /** Answers the LSN to read at. */
    private static long make(Setting setting, Path working, int layers) throws IOException {
        WorkingDirectory.link(setting.base(), working);
        Storage storage = new Storage(working, Limits.DEFAULT);
        Timeline base = storage.open(Storage.BASE);
        Timeline branch = storage.store().createBranch(base, TIMELINE, base.lastRecordLsn());
        SyntheticPages.write(branch, layers * PAGES);
        long start = branch.lastRecordLsn() + 1;
        branch.shutDown();
        base.shutDown();
        LsnRange lsns = new LsnRange(start, start + 1000);
        Disk disk = storage.environment().disk();
        List<String> lines = new ArrayList<>();
        byte[] image = new byte[1 + Page.SIZE];
        image[0] = StoredValue.IMAGE;
        for (int i = 0; i < layers; i++) {
            KeyRange keys =
                    new KeyRange(
                            Keys.block(SyntheticPages.TAG, i * PAGES),
                            Keys.block(SyntheticPages.TAG, (i + 1) * PAGES));
            LayerName name = LayerName.delta(keys, lsns, Storage.TENANT, Generation.FIRST);
            try (Disk.Output out = disk.create(Storage.path(TIMELINE) + "/" + name)) {
                DeltaLayerWriter writer =
                        new DeltaLayerWriter(out, Storage.TENANT, TIMELINE, lsns, Limits.DEFAULT);
                for (int j = 0; j < PAGES; j++) {
                    Key key = Keys.block(SyntheticPages.TAG, i * PAGES + j);
                    writer.append(key.hi(), key.mid(), key.lo(), start + j, image, 0, image.length);
                }
                lines.add("layer " + name + " " + writer.finish(keys, lsns));
            }
        }
        Storage.rewriteIndex(
                working.resolve(Storage.path(TIMELINE)),
                index -> {
                    List<String> all = new ArrayList<>();
                    for (String line : index) {
                        all.add(
                                line.startsWith("disk_consistent_lsn ")
                                        ? "disk_consistent_lsn " + Lsn.toString(lsns.end() - 1)
                                        : line);
                    }
                    all.addAll(lines);
                    return all;
                });
        return lsns.end() - 1;
    }

    private static double firstPage(Path directory, long lsn) {
        try (ServerProcess server = new ServerProcess(directory, List.of())) {
            long start = System.nanoTime();
            server.start();
            try (PageserverClient client =
                    PageserverClient.connect(
                            server.pageService(), Storage.TENANT.tenant(), TIMELINE, 3)) {
                PageSource.Answer page = client.page(SyntheticPages.TAG, 7, lsn);
                if (!(page instanceof PageSource.Answer.Pages)) {
                    throw new IllegalStateException("no page after the start: " + page);
                }
                return (System.nanoTime() - start) / 1e6;
            }
        }
    }

    private static double open(Path working) {
        Storage storage = new Storage(working, Limits.DEFAULT);
        long start = System.nanoTime();
        Timeline timeline = storage.open(TIMELINE);
        double millis = (System.nanoTime() - start) / 1e6;
        timeline.shutDown();
        return millis;
    }
}
