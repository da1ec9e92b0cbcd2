package io.palimpsest.tenant;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.compaction.CompactionDebt;
import io.palimpsest.compaction.CompactionPlan;
import io.palimpsest.compaction.CompactionPlanner;
import io.palimpsest.compaction.LayerInventory;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.tenant.Chores.Kind;
import io.palimpsest.timeline.Compactor;
import io.palimpsest.timeline.Compactor.Outcome;
import io.palimpsest.timeline.GarbageCollector;
import io.palimpsest.timeline.Pace;
import io.palimpsest.timeline.Timeline;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Plans and does one job at a time: throttled, counted, reported. Only the housekeeper's task uses
 * it.
 */
final class BackgroundJobs {
    private final Environment environment;
    private final Limits limits;
    private final BackgroundCounters counters;
    private final Consumer<Chores> check;
    private final BooleanSupplier mergeWaits;
    private final Throttle throttle;

    /** Bytes that compaction reads in a second, a moving average; 0: not known yet. */
    private volatile double bytesPerSecond;

    /**
     * @param check throws Cancelled if a job for these chores must not go on
     * @param mergeWaits is there a merge to be done?
     */
    BackgroundJobs(
            Environment environment,
            Limits limits,
            BackgroundCounters counters,
            Consumer<Chores> check,
            BooleanSupplier mergeWaits) {
        this.environment = environment;
        this.limits = limits;
        this.counters = counters;
        this.check = check;
        this.mergeWaits = mergeWaits;
        this.throttle =
                new Throttle(
                        environment.clock(),
                        environment.tasks(),
                        limits.backgroundBytesPerSecond());
    }

    /**
     * One job of the kind, as the timeline's policy has it; false if there was nothing to do.
     *
     * @param asked somebody waits for it
     */
    boolean run(Chores chores, Kind kind, boolean asked) {
        Timeline timeline = chores.timeline;
        return kind == Kind.COLLECT
                ? collect(chores, cutoff(timeline)).layers() > 0
                : compact(chores, kind, timeline.config(), asked);
    }

    /** As the policy has it; where it is, if a damaged layer hides when that was. */
    private static long cutoff(Timeline timeline) {
        try {
            return timeline.planCutoff();
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.CORRUPTION || timeline.damaged().names().isEmpty()) {
                throw e;
            }
            return timeline.oldestReadableLsn();
        }
    }

    GarbageCollector.Result collect(Chores chores, long cutoff) {
        check.accept(chores);
        GarbageCollector.Result result = GarbageCollector.run(chores.timeline, cutoff);
        counters.collections.incrementAndGet();
        counters.layersCollected.addAndGet(result.layers());
        if (result.layers() > 0) {
            tell(
                    chores.timeline,
                    Event.LAYERS_COLLECTED,
                    result.layers()
                            + " layers of "
                            + result.bytes()
                            + " bytes, kept "
                            + result.retention().points().size()
                            + " points below the cutoff");
        }
        return result;
    }

    /**
     * One compaction; false if there was nothing to do. Damaged layers that it meets are left out
     * of what comes after.
     *
     * @param asked somebody waits for it
     */
    boolean compact(Chores chores, Kind kind, TenantConfig config, boolean asked) {
        check.accept(chores);
        Timeline timeline = chores.timeline;
        CompactionPlan plan = plan(timeline, kind, config);
        if (plan == null) {
            return false;
        }
        long begun = environment.clock().monotonicNanos();
        Compactor.Result result;
        try {
            result = Compactor.run(timeline, plan, pace(chores, kind, asked));
        } catch (PageserverException e) {
            if (e.code() != ErrorCode.CORRUPTION || !leaveOut(timeline, plan)) {
                throw e;
            }
            counters.failures.incrementAndGet();
            return true;
        }
        measured(result.bytesRead(), environment.clock().monotonicNanos() - begun);
        counters.bytesRead.addAndGet(result.bytesRead());
        counters.bytesWritten.addAndGet(result.bytesWritten());
        if (result.outcome() == Outcome.GAVE_WAY) {
            counters.gaveWay.incrementAndGet();
            tell(timeline, Event.COMPACTION_GAVE_WAY, kind.toString());
        }
        if (result.outcome() == Outcome.DONE || result.layers() > 0) {
            count(timeline, plan, result);
        }
        return true;
    }

    /**
     * Work goes on without the damaged layers of a plan that has failed.
     *
     * @return are there any?
     */
    private boolean leaveOut(Timeline timeline, CompactionPlan plan) {
        List<Compactor.Damage> damaged = Compactor.damaged(timeline, plan);
        for (Compactor.Damage damage : damaged) {
            if (timeline.damaged().add(damage.layer())) {
                environment
                        .tracer()
                        .event(
                                Event.LAYER_DAMAGED,
                                timeline.subject(),
                                "compaction goes on without a layer: "
                                        + damage.flaw().getMessage());
            }
        }
        return !damaged.isEmpty();
    }

    private @Nullable CompactionPlan plan(Timeline timeline, Kind kind, TenantConfig config) {
        CompactionPlanner planner = new CompactionPlanner(config, limits);
        LayerInventory layers = timeline.inventory();
        return switch (kind) {
            case MERGE -> planner.mergeL0(layers);
            case IMAGES -> planner.createImages(layers);
            case HISTORY -> planner.dropHistory(layers, timeline.retention());
            case REST -> planner.mergeAtRest(layers, timeline.inheritedBytes());
            case COLLECT -> throw new AssertionError("collecting is not compaction");
        };
    }

    /** What lies ahead for the timeline, at the speed measured so far. */
    CompactionDebt debt(Timeline timeline) {
        return new CompactionPlanner(timeline.config(), limits)
                .debt(timeline.inventory(), timeline.retention(), (long) bytesPerSecond);
    }

    private void count(Timeline timeline, CompactionPlan plan, Compactor.Result result) {
        Event event =
                switch (plan) {
                    case CompactionPlan.MergeL0 merge -> {
                        counters.merges.incrementAndGet();
                        yield merge.atRest() ? Event.L0_MERGED_AT_REST : Event.L0_MERGED;
                    }
                    case CompactionPlan.CreateImages _ -> {
                        counters.images.incrementAndGet();
                        yield Event.IMAGES_CREATED;
                    }
                    case CompactionPlan.DropHistory _ -> {
                        counters.histories.incrementAndGet();
                        yield Event.HISTORY_DROPPED;
                    }
                };
        tell(
                timeline,
                event,
                plan.inputs().size()
                        + " layers, "
                        + result.bytesRead()
                        + " bytes read; into "
                        + result.layers()
                        + " layers of "
                        + result.bytesWritten()
                        + " bytes");
    }

    private void tell(Timeline timeline, Event event, String detail) {
        environment.tracer().event(event, timeline.subject(), detail);
    }

    private Pace pace(Chores chores, Kind kind, boolean asked) {
        return new Pace() {
            @Override
            public void spent(long bytes) {
                check.accept(chores);
                throttle.take(bytes);
            }

            @Override
            public boolean giveWay() {
                // What somebody waits for goes on: the merge would have to wait for it anyway.
                return kind != Kind.MERGE && !asked && mergeWaits.getAsBoolean();
            }
        };
    }

    private void measured(long bytes, long nanos) {
        if (bytes > 0 && nanos > 0) {
            double now = bytes * 1e9 / nanos;
            bytesPerSecond = bytesPerSecond == 0 ? now : 0.8 * bytesPerSecond + 0.2 * now;
        }
    }
}
