package io.palimpsest.regress;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.RelTag;
import io.palimpsest.regress.PageSource.Answer;
import io.palimpsest.regress.PageSource.Fork;
import io.palimpsest.regress.PageSource.Segment;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One client that asks the tried server for random pages at random LSNs on random timelines, and
 * compares what it says with PostgreSQL's own files or with what the reference says.
 */
final class SoakSampler implements Runnable {
    private static final int RUNS = 6;
    private static final int RUN_PAGES = 16;

    /** Between samples: the workload needs the processors, too. */
    private static final long PAUSE_MILLIS = 25;

    private final SoakWorld world;
    private final Prng prng;
    private volatile boolean stopped;
    private volatile @Nullable RuntimeException failure;

    SoakSampler(SoakWorld world, Prng prng) {
        this.world = world;
        this.prng = prng;
    }

    void stop() {
        stopped = true;
    }

    @Nullable RuntimeException failure() {
        return failure;
    }

    @Override
    public void run() {
        while (!stopped) {
            int before = world.generation();
            try {
                sample();
                Pause.millis(PAUSE_MILLIS);
            } catch (RuntimeException e) {
                if (world.undisturbed(before)) {
                    failure = e;
                    return;
                }
                // The server was killed under us.
                Pause.millis(200);
            }
        }
    }

    private void sample() {
        switch (prng.nextInt(10)) {
            case 0, 1, 2 -> mainAtRandomLsn();
            case 3, 4 -> mainAtMoment();
            case 5, 6, 7 -> branch();
            case 8 -> belowCutoff();
            default -> leased();
        }
    }

    private void mainAtRandomLsn() {
        SoakWorld.Window window = world.window();
        if (Long.compareUnsigned(window.last(), window.cutoff()) <= 0) {
            Pause.millis(100);
            return;
        }
        likeReference(world.main, window.random(prng), true);
    }

    /** PostgreSQL's own pages on main, as long as its LSN can be read there. */
    private void mainAtMoment() {
        SoakWorld.Window window = world.window();
        List<SoakMoment> legal = world.moments.stream().filter(m -> window.holds(m.lsn())).toList();
        if (legal.isEmpty()) {
            return;
        }
        likePostgres(world.main, legal.get(prng.nextInt(legal.size())), true);
    }

    private void branch() {
        SoakTimelines.Branch branch = world.timelines.enter(prng);
        if (branch == null) {
            Pause.millis(100);
            return;
        }
        try {
            SoakMoment moment = branch.moment;
            if (moment != null && prng.nextInt(3) > 0) {
                likePostgres(branch.id, moment, false);
            } else {
                likeReference(branch.id, branch.lsn, false);
            }
        } finally {
            world.timelines.leave(branch);
        }
    }

    private void leased() {
        List<SoakWorld.Lease> held = world.heldLeases();
        if (held.isEmpty()) {
            Pause.millis(20);
            return;
        }
        long lsn = held.get(prng.nextInt(held.size())).lsn();
        if (Long.compareUnsigned(lsn, world.window().cutoff()) < 0) {
            world.counts.leasedReads.addAndGet(likeReference(world.main, lsn, false));
        } else {
            likeReference(world.main, lsn, false);
        }
    }

    private void belowCutoff() {
        long cutoff = world.window().cutoff();
        long oldest = world.oldest();
        List<Fork> forks = world.keyspace().relations();
        if (forks.isEmpty() || Long.compareUnsigned(cutoff, oldest) <= 0) {
            return;
        }
        long lsn = oldest + prng.nextLong(cutoff - oldest);
        if (world.leases.stream().anyMatch(lease -> lease.lsn() == lsn)) {
            return;
        }
        Fork fork = forks.get(prng.nextInt(forks.size()));
        try (PageserverClient client = world.client(world.main)) {
            Answer answer = client.pages(fork.tag(), 0, 1, lsn).getFirst();
            if (answer instanceof Answer.Refused(String message) && message.contains("/")) {
                world.counts.refusals.incrementAndGet();
            } else {
                world.counts.mismatch(
                        "main at "
                                + Lsn.toString(lsn)
                                + ", below the cutoff "
                                + Lsn.toString(cutoff)
                                + ": expected a refusal that names it, found "
                                + answer);
            }
        }
    }

    private void likePostgres(TimelineId timeline, SoakMoment moment, boolean mayBeOvertaken) {
        ComparisonReport report;
        try (PageserverClient client = world.client(timeline)) {
            report = world.comparison(moment, client).sample(prng, RUNS, RUN_PAGES);
        }
        if (mayBeOvertaken && !world.window().holds(moment.lsn())) {
            return;
        }
        world.counts.postgresReads.addAndGet(report.total().pages);
        tell(timeline, report);
    }

    private void tell(TimelineId timeline, ComparisonReport report) {
        long wrong = report.total().mismatches + report.total().unsupported;
        for (long i = 0; i < wrong; i++) {
            world.counts.mismatch(
                    "timeline "
                            + timeline
                            + ": "
                            + (i < report.mismatches().size()
                                    ? report.mismatches().get((int) i)
                                    : "as before"));
        }
    }

    /** Answers how many pages were compared. */
    private long likeReference(TimelineId timeline, long lsn, boolean mayBeOvertaken) {
        if (world.keyspace().relations().isEmpty()) {
            world.refreshKeyspace();
            return 0;
        }
        long compared = 0;
        try (PageserverClient tried = world.client(timeline);
                PageserverClient reference = world.referenceClient()) {
            if (prng.oneIn(20)) {
                directories(timeline, lsn, tried, reference, mayBeOvertaken);
            }
            for (int i = 0; i < RUNS; i++) {
                List<Fork> forks = world.keyspace().relations();
                Fork fork = forks.get(prng.nextInt(forks.size()));
                int first = fork.blocks() == 0 ? 0 : prng.nextInt(fork.blocks());
                int count = Math.clamp(fork.blocks() - (long) first, 1, RUN_PAGES);
                List<Answer> ours = tried.pages(fork.tag(), first, count, lsn);
                List<Answer> theirs = reference.pages(fork.tag(), first, count, lsn);
                for (int j = 0; j < count; j++) {
                    if (same(ours.get(j), theirs.get(j))) {
                        compared++;
                    } else if (mayBeOvertaken && !world.window().holds(lsn)) {
                        return compared;
                    } else {
                        different(timeline, lsn, fork.tag(), first + j, ours.get(j), theirs.get(j));
                    }
                }
            }
        } finally {
            world.counts.referenceReads.addAndGet(compared);
        }
        return compared;
    }

    private static boolean same(Answer a, Answer b) {
        return switch (a) {
            case Answer.Pages(byte[] x) ->
                    b instanceof Answer.Pages(byte[] y) && Arrays.equals(x, y);
            case Answer.Refused(String x) ->
                    b instanceof Answer.Refused(String y)
                            && x.contains("does not exist")
                            && y.contains("does not exist");
        };
    }

    private void different(
            TimelineId timeline, long lsn, RelTag tag, int block, Answer ours, Answer theirs) {
        String what =
                ours instanceof Answer.Pages(byte[] a) && theirs instanceof Answer.Pages(byte[] b)
                        ? "first at byte " + Arrays.mismatch(a, b)
                        : "expected " + text(theirs) + ", found " + text(ours);
        world.counts.mismatch(
                "timeline "
                        + timeline
                        + (timeline.equals(world.main) ? " (main)" : "")
                        + " at "
                        + Lsn.toString(lsn)
                        + ", "
                        + tag
                        + " block "
                        + block
                        + ": "
                        + what);
    }

    private static String text(Answer answer) {
        return switch (answer) {
            case Answer.Pages(byte[] bytes) -> "a page of " + bytes.length + " bytes";
            case Answer.Refused(String message) -> message;
        };
    }

    /** Which relations and SLRU segments there are, of what size; and one segment's pages. */
    private void directories(
            TimelineId timeline,
            long lsn,
            PageserverClient tried,
            PageserverClient reference,
            boolean mayBeOvertaken) {
        PageSource.Keyspace theirs = reference.keyspace(lsn);
        PageSource.Keyspace ours;
        try {
            ours = tried.keyspace(lsn);
        } catch (RuntimeException e) {
            if (mayBeOvertaken && !world.window().holds(lsn)) {
                return;
            }
            throw e;
        }
        Set<Object> a = new HashSet<>(ours.relations());
        a.addAll(ours.slruSegments());
        Set<Object> b = new HashSet<>(theirs.relations());
        b.addAll(theirs.slruSegments());
        if (!a.equals(b) && !(mayBeOvertaken && !world.window().holds(lsn))) {
            Set<Object> more = new HashSet<>(a);
            more.removeAll(b);
            Set<Object> less = new HashSet<>(b);
            less.removeAll(a);
            world.counts.mismatch(
                    "timeline "
                            + timeline
                            + " at "
                            + Lsn.toString(lsn)
                            + ": directories differ: too many "
                            + more
                            + ", missing "
                            + less);
        }
        if (!theirs.slruSegments().isEmpty()) {
            Segment s = theirs.slruSegments().get(prng.nextInt(theirs.slruSegments().size()));
            Answer x = tried.slruSegment(s.slru(), s.segment(), lsn);
            Answer y = reference.slruSegment(s.slru(), s.segment(), lsn);
            if (same(x, y)) {
                world.counts.referenceReads.incrementAndGet();
            } else if (!(mayBeOvertaken && !world.window().holds(lsn))) {
                world.counts.mismatch(
                        "timeline "
                                + timeline
                                + " at "
                                + Lsn.toString(lsn)
                                + ": "
                                + s
                                + ": expected "
                                + text(y)
                                + ", found "
                                + text(x));
            }
        }
    }
}
