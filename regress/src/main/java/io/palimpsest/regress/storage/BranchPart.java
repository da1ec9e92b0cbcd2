package io.palimpsest.regress.storage;

import io.palimpsest.base.TimelineId;
import io.palimpsest.regress.WorkingDirectory;
import io.palimpsest.regress.storage.Report.Row;
import io.palimpsest.timeline.Timeline;
import java.util.Arrays;

/** Making a branch, durable, of a timeline with ten times the data and layers of another one. */
final class BranchPart implements Part {
    private static final int SMALL_PAGES = 2_000;
    private static final int TIMES = 10;
    private static final int BRANCHES = 40;
    private static final long OPEN_LAYER = 1 << 20;

    private int made;

    @Override
    public void run(Setting setting, Report report) {
        WorkingDirectory.link(setting.base(), setting.home());
        Storage storage = new Storage(setting.home(), Storage.limits(OPEN_LAYER, 64L << 20));
        Timeline base = storage.open(Storage.BASE);
        Timeline small =
                storage.store().createBranch(base, new TimelineId(5, 1), base.lastRecordLsn());
        Timeline large =
                storage.store().createBranch(base, new TimelineId(5, 2), base.lastRecordLsn());
        report.say("branches: data");
        SyntheticPages.write(small, SMALL_PAGES);
        SyntheticPages.write(large, SMALL_PAGES * TIMES);
        Row row = new Row();
        for (int round = 0; round <= setting.rounds(); round++) {
            report.say("branches" + (round == 0 ? ", warm-up" : ", round " + round));
            double[] few = new double[BRANCHES];
            double[] many = new double[BRANCHES];
            for (int i = 0; i < BRANCHES; i++) {
                few[i] = branch(storage, small);
                many[i] = branch(storage, large);
            }
            if (round > 0) {
                row.add(median(many), median(few));
            }
        }
        report.cost(
                "branch of a timeline of "
                        + SMALL_PAGES * TIMES
                        + " pages in "
                        + large.layerCount()
                        + " layers",
                "the same at a tenth of data and layers",
                "us",
                row,
                Goal.atMost(1.2),
                "");
        large.shutDown();
        small.shutDown();
        base.shutDown();
    }

    private double branch(Storage storage, Timeline of) {
        long start = System.nanoTime();
        Timeline branch =
                storage.store().createBranch(of, new TimelineId(6, ++made), of.lastRecordLsn());
        double micros = (System.nanoTime() - start) / 1e3;
        storage.drop(branch);
        return micros;
    }

    private static double median(double[] values) {
        Arrays.sort(values);
        return values[values.length / 2];
    }
}
