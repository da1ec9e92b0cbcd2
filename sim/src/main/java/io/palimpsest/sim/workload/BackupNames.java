package io.palimpsest.sim.workload;

import io.palimpsest.base.Check;
import io.palimpsest.base.Label;
import io.palimpsest.base.Prng;
import io.palimpsest.base.TimelineId;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import io.palimpsest.timeline.Timeline;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What branches of a {@link BackupRun} are called: who was told that a branch has a name finds it
 * under that name, whatever is lost. While a change is not confirmed, what it was and what it is to
 * be are both right.
 */
final class BackupNames {
    private static final String NONE = "";

    private final Prng random;
    private int next;

    /** What a branch may be called; {@link #NONE}: nothing. */
    private final TreeMap<TimelineId, TreeSet<String>> names = new TreeMap<>();

    BackupNames(Prng random) {
        this.random = random;
    }

    /** One that nobody has had. */
    Label fresh() {
        return new Label("b/" + next++);
    }

    void made(TimelineId id, Label name) {
        may(id, name.text());
        is(id, name.text());
    }

    /** One that was there before all began, and how it was called; null: not at all. */
    void there(TimelineId id, @Nullable Label name) {
        may(id, name == null ? NONE : name.text());
    }

    void forget(TimelineId id) {
        names.remove(id);
    }

    private void may(TimelineId id, String name) {
        names.computeIfAbsent(id, _ -> new TreeSet<>()).add(name);
    }

    private void is(TimelineId id, String name) {
        TreeSet<String> known = names.get(id);
        if (known != null) {
            known.clear();
            known.add(name);
        }
    }

    /** Gives one of them another name, or the name of another one. */
    void change(Simulation s, Tenants tenants, TimelineId id) {
        Timeline one = tenants.timeline(BackupRun.TENANT, id);
        TimelineId other =
                names.keySet().stream().skip(random.nextInt(names.size())).findFirst().orElse(id);
        Label fresh = fresh();
        Label taken = other.equals(id) ? null : name(tenants, other);
        if (taken == null) {
            may(id, fresh.text());
            tenants.names().rename(one, fresh);
            is(id, fresh.text());
            s.probe("backup-branch-renamed");
        } else {
            may(id, taken.text());
            may(other, NONE);
            may(other, fresh.text());
            tenants.names().take(one, taken, fresh);
            is(id, taken.text());
            is(other, fresh.text());
            s.probe("backup-name-taken-over");
        }
    }

    private static @Nullable Label name(Tenants tenants, TimelineId id) {
        return tenants.names().of(tenants.timeline(BackupRun.TENANT, id));
    }

    /** Is the branch called what it may be? */
    void check(Tenants tenants, Timeline branch) {
        Label name = tenants.names().of(branch);
        TreeSet<String> known = names.get(branch.id());
        Check.that(
                known == null || known.contains(name == null ? NONE : name.text()),
                "branch %s is called so, and may be called only %s",
                branch.id() + " " + name,
                String.valueOf(known));
    }
}
