package io.palimpsest.timeline;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.Limits;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.port.Tasks;
import io.palimpsest.port.Tasks.Lane;
import io.palimpsest.sim.check.ReferencePageserver;
import io.palimpsest.sim.fault.FaultPlan;
import io.palimpsest.sim.fault.Machine;
import io.palimpsest.sim.fault.SimNet;
import io.palimpsest.sim.fault.SimPostgres;
import io.palimpsest.sim.fault.SimWalSource;
import io.palimpsest.sim.workload.WalWorkload;
import io.palimpsest.sim.world.Scenario;
import io.palimpsest.sim.world.Simulation;
import io.palimpsest.tenant.Tenants;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** An import whose server is stopped, or loses its power, goes on by itself when it is back. */
class ResumedImportTest {
    private static final long SECOND = 1_000_000_000L;
    private static final long START_LSN = 0x0200_0028L;
    private static final TenantId TENANT = new TenantId(1, 2);
    private static final TenantShardId SHARD = TenantShardId.unsharded(TENANT);
    private static final TimelineId TIMELINE = new TimelineId(3, 4);
    private static final Label NAME = new Label("shop");
    private static final String INTENTS = "tenants/" + SHARD + "/intents";
    private static final String SECRET = "s3cret";
    private static final WalSource SOURCE =
            WalSource.parse(
                    "host=postgres port=" + SimPostgres.PORT + " user=sim password=" + SECRET,
                    "sim");

    /** A source and a server. */
    private static final class World {
        final Machine server;
        final SimPostgres postgres;

        /** So long the source says nothing before it sends a backup. */
        long silence;

        World(Simulation s) {
            SimNet net = new SimNet(s, FaultPlan.quiet());
            Machine source = new Machine(net, "postgres", FaultPlan.quiet());
            server = new Machine(net, "pageserver", FaultPlan.quiet());
            SimWalSource wal = new SimWalSource(START_LSN);
            WalWorkload workload =
                    new WalWorkload(
                            s.random("records"),
                            PgVersion.V17,
                            START_LSN,
                            new ReferencePageserver(),
                            wal,
                            source.clock()::wallMillis);
            workload.init();
            for (int i = 0; i < 50; i++) {
                workload.write();
            }
            postgres =
                    new SimPostgres(
                            source,
                            PgVersion.V17,
                            wal,
                            () -> {
                                source.tasks().sleep(silence);
                                return workload.backup();
                            });
            source.start("postmaster", postgres::serve);
        }

        /** A life of the server; perhaps its power is lost in it. */
        void serve(Consumer<Tenants> what) {
            server.start(
                            "pageserver",
                            () -> {
                                Tenants tenants =
                                        Tenants.load(
                                                server.environment(),
                                                Limits.DEFAULT,
                                                TenantConfig.DEFAULT);
                                what.accept(tenants);
                                tenants.close();
                            })
                    .join();
        }

        Timeline awaitMade(Tenants tenants) {
            for (int i = 0; i < 600; i++) {
                try {
                    return tenants.timeline(TENANT, TIMELINE);
                } catch (PageserverException e) {
                    assertEquals(ErrorCode.CONFLICT, e.code(), e.getMessage());
                    server.tasks().sleep(SECOND / 10);
                }
            }
            throw new AssertionError("it does not go on: " + tenants.operations().list());
        }

        void isWhole(Tenants tenants) {
            Timeline made = awaitMade(tenants);
            // The source may think for a while that a dead connection of ours uses the slot.
            for (int i = 0; i < 120 && made.lastRecordLsn() < made.oldestReadableLsn(); i++) {
                server.tasks().sleep(SECOND);
            }
            assertEquals(NAME, tenants.names().of(made));
            assertTrue(made.lastRecordLsn() >= made.oldestReadableLsn(), "no WAL came");
            assertEquals(List.of(), server.disk().list(INTENTS));
            assertTrue(postgres.hasSlot());
        }

        void isNothing() {
            assertFalse(postgres.hasSlot(), "a slot keeps WAL for nobody");
            assertEquals(List.of(), server.disk().list("tenants/" + SHARD + "/timelines"));
            assertEquals(List.of(), server.disk().list("tenants/" + SHARD + "/sources"));
            assertEquals(List.of(), server.disk().list(INTENTS));
        }
    }

    private static void tell(long seed, Consumer<World> story) {
        Scenario scenario =
                new Scenario() {
                    @Override
                    public String name() {
                        return "resumed-import";
                    }

                    @Override
                    public void run(Simulation s) {
                        World world = new World(s);
                        story.accept(world);
                        world.server.checkIdle();
                        world.postgres.stop();
                    }
                };
        Simulation.run(scenario, seed).check();
    }

    /** Power is lost before each disk operation of an import, and of what is done at its start. */
    @Test
    void powerIsLostAnywhere() {
        boolean[] whole = new boolean[1];
        int resumed = 0;
        int cuts = 0;
        while (!whole[0]) {
            long cut = ++cuts;
            boolean[] went = new boolean[1];
            tell(
                    1,
                    world -> {
                        long at = world.server.disk().operations() + cut;
                        world.server.disk().plan(FaultPlan.quiet().withPowerLossAt(at));
                        world.serve(tenants -> {
                            Timeline _ = tenants.createFromSource(TENANT, TIMELINE, SOURCE, NAME);
                            whole[0] = true;
                        });
                        world.server.disk().plan(FaultPlan.quiet());
                        // Half of them lose it again while it goes on.
                        if (!whole[0] && cut % 2 == 0) {
                            long again = world.server.disk().operations() + 3 + cut / 2;
                            world.server.disk().plan(FaultPlan.quiet().withPowerLossAt(again));
                            world.serve(tenants -> world.server.tasks().sleep(20 * SECOND));
                            world.server.disk().plan(FaultPlan.quiet());
                        }
                        world.serve(tenants -> {
                            world.server.tasks().sleep(SECOND);
                            boolean there = tenants.tenants().contains(TENANT);
                            if (there) {
                                went[0] =
                                        tenants.operations().list().stream()
                                                .anyMatch(Operation.Status::resumed);
                                world.isWhole(tenants);
                            } else {
                                assertFalse(whole[0]);
                                world.isNothing();
                            }
                        });
                    });
            resumed += went[0] ? 1 : 0;
        }
        assertTrue(cuts > 30, cuts + " places to cut at");
        assertTrue(resumed > 10, resumed + " have gone on of " + cuts);
    }

    @Test
    void aServerThatIsStoppedGoesOnWithItAfterwards() {
        tell(
                2,
                world -> {
                    world.silence = 3600 * SECOND;
                    world.serve(tenants -> {
                        Tasks.Task asking =
                                world.server
                                        .tasks()
                                        .spawn(
                                                Lane.LATENCY,
                                                "asks",
                                                () -> {
                                                    PageserverException e =
                                                            assertThrows(
                                                                    PageserverException.class,
                                                                    () ->
                                                                            tenants
                                                                                    .createFromSource(
                                                                                            TENANT,
                                                                                            TIMELINE,
                                                                                            SOURCE,
                                                                                            NAME));
                                                    assertEquals(
                                                            ErrorCode.SHUTTING_DOWN,
                                                            e.code(),
                                                            e.getMessage());
                                                });
                        world.server.tasks().sleep(5 * SECOND);
                        long begun = world.server.clock().monotonicNanos();
                        tenants.close();
                        asking.join();
                        assertTrue(world.server.clock().monotonicNanos() - begun < 5 * SECOND);
                        Operation.Status last = tenants.operations().status(1);
                        assertEquals(Operation.State.FAILED, last.state());
                        assertTrue(
                                String.valueOf(last.failure()).contains("goes on after"),
                                last.failure());
                    });
                    assertTrue(world.postgres.hasSlot());
                    assertNoSecret(world);
                    world.silence = SECOND;
                    world.serve(tenants -> {
                        world.server.tasks().sleep(SECOND / 100);
                        Operation.Status now = tenants.operations().status(1);
                        assertEquals(Operation.Kind.IMPORT, now.kind());
                        assertEquals(Operation.State.RUNNING, now.state());
                        assertEquals(TIMELINE, now.timeline());
                        assertTrue(now.resumed());
                        // Nobody else begins the same, or takes the slot or the name.
                        PageserverException e =
                                assertThrows(
                                        PageserverException.class,
                                        () ->
                                                tenants.createFromSource(
                                                        TENANT, TIMELINE, SOURCE, NAME));
                        assertEquals(ErrorCode.CONFLICT, e.code(), e.getMessage());
                        world.isWhole(tenants);
                        assertEquals(
                                Operation.State.COMPLETED, tenants.operations().status(1).state());
                    });
                    world.serve(tenants -> {
                        world.isWhole(tenants);
                        assertEquals(List.of(), tenants.operations().list());
                    });
                });
    }

    private static void assertNoSecret(World world) {
        List<String> files = world.server.disk().list(INTENTS);
        assertEquals(List.of("import-" + TIMELINE), files);
        String text = TextFile.read(world.server.disk(), INTENTS + "/" + files.getFirst(), 10_000);
        assertTrue(String.valueOf(text).contains("\nslot ours\n"), text);
        assertFalse(String.valueOf(text).contains(SECRET), text);
        assertEquals(
                text.length(), text.getBytes(StandardCharsets.UTF_8).length, "names are ASCII");
    }

    @Test
    void aSourceThatIsAwayIsWaitedForUntilItIsCancelled() {
        tell(
                3,
                world -> {
                    world.silence = 3600 * SECOND;
                    long at = 20 * SECOND;
                    world.server
                            .node()
                            .simulation()
                            .after(at, world.server.node(), world.server::losePower);
                    world.serve(tenants -> {
                        Timeline _ = tenants.createFromSource(TENANT, TIMELINE, SOURCE, NAME);
                    });
                    assertTrue(world.postgres.hasSlot());
                    world.serve(tenants -> {
                        world.server.tasks().sleep(30 * SECOND);
                        Operation.Status asked = tenants.operations().cancel(1);
                        assertTrue(asked.resumed());
                        world.server.tasks().sleep(5 * SECOND);
                        assertEquals(
                                Operation.State.CANCELLED, tenants.operations().status(1).state());
                        // It was made in an earlier life.
                        world.isNothing();
                    });
                    world.serve(tenants -> {
                        world.server.tasks().sleep(5 * SECOND);
                        assertEquals(List.of(), tenants.operations().list());
                        world.isNothing();
                    });
                });
    }
}
