package io.palimpsest.sim.workload;

import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import java.util.List;

/**
 * Page servers with an object store follow a Postgres, one after the other and at times two at
 * once. Their power is lost at any moment; then the same machine starts again, or it is lost too
 * and a new one with an empty disk takes the tenant over. The store fails as stores do: it is away,
 * throttles, loses answers, carries out late what nobody waits for any more, and lists what was.
 *
 * <p>The source keeps only what was not acknowledged, so acknowledging what is not in the store for
 * good shows as WAL that is gone. What was confirmed (the timeline, branches, their deletion) must
 * be so for every server that comes later. At the end an empty machine serves everything, from the
 * store alone. All the while layers leave the disk, by age, for lack of room, and by chance, and
 * somebody who owns nothing scrubs the store: finds nothing missing that an index names, and
 * deletes what is left of branches that are being deleted. Where the store keeps versions, the
 * tenant is made at last what it was in the store at some moment, and served from that.
 *
 * <p>How often what happens is data: a {@link BackupProfile}, read from a file.
 */
public final class BackupScenario implements Scenario {
    private final BackupProfile profile;

    private BackupScenario(BackupProfile profile) {
        this.profile = profile;
    }

    /** One of those that come with the simulator. */
    public static BackupScenario named(String name) {
        return new BackupScenario(BackupProfile.builtIn(name));
    }

    /** That of a file; an IllegalArgumentException says what is wrong with it. */
    static BackupScenario of(String path, ScenarioFile file) {
        return new BackupScenario(BackupProfile.read(path, file));
    }

    @Override
    public String name() {
        return profile.name();
    }

    @Override
    public List<String> mustReach() {
        return profile.mustReach();
    }

    @Override
    public List<String> mustReachInMany() {
        return profile.mustReachInMany();
    }

    @Override
    public void run(Simulation s) {
        new BackupLives(profile, s).run();
    }
}
