package io.palimpsest.server;

import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Environment;
import io.palimpsest.port.Event;
import io.palimpsest.port.Subject;
import io.palimpsest.remote.RemoteLimits;
import io.palimpsest.remote.RemoteStore;
import io.palimpsest.server.auth.Certificate;
import io.palimpsest.server.auth.Doors;
import io.palimpsest.server.bootstrap.Bootstrap;
import io.palimpsest.server.config.ConfigOptions;
import io.palimpsest.server.config.ServerConfig;
import io.palimpsest.server.disk.NioDisk;
import io.palimpsest.server.http.Health;
import io.palimpsest.server.http.ManagementServer;
import io.palimpsest.server.metrics.Metrics;
import io.palimpsest.server.metrics.PageMetrics;
import io.palimpsest.server.metrics.StoreMetrics;
import io.palimpsest.server.net.PageServer;
import io.palimpsest.server.redo.PostgresLauncher;
import io.palimpsest.server.redo.WalRedoPool;
import io.palimpsest.server.runtime.LogLines;
import io.palimpsest.server.runtime.LogTracer;
import io.palimpsest.server.runtime.SecureIds;
import io.palimpsest.server.runtime.SocketNet;
import io.palimpsest.server.runtime.SystemClock;
import io.palimpsest.server.runtime.SystemTasks;
import io.palimpsest.server.source.Sources;
import io.palimpsest.server.store.StoreConnection;
import io.palimpsest.server.store.StoreSettings;
import io.palimpsest.service.Management;
import io.palimpsest.service.PageService;
import io.palimpsest.tenant.Tenants;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The page server's process: this is the wiring diagram. */
@Command(
        name = "pageserver",
        mixinStandardHelpOptions = true,
        version = "palimpsest " + Main.VERSION,
        description =
                "Receives the WAL of Postgres, keeps every page version, answers GetPage@LSN.",
        exitCodeListHeading = "%nExit status:%n",
        exitCodeList = {
            "143, 130:stopped by SIGTERM, SIGINT",
            "1:could not start or run",
            "2:wrong arguments or configuration"
        })
public final class Main implements Callable<Integer> {
    static final String VERSION = "0.1.0";

    private static final LogTracer TRACER = new LogTracer("palimpsest");

    @Mixin private ConfigOptions options = new ConfigOptions();

    @Option(
            names = "--take-over",
            description =
                    "No other page server has these tenants: own them also where the object store cannot say so. The same as -c \"take_over=true\".")
    private boolean takeOver;

    @Option(names = "--check-config", description = "Check the configuration and exit.")
    private boolean checkConfig;

    public static void main(String[] args) {
        System.exit(new CommandLine(new Main()).execute(args));
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        ServerConfig config;
        try {
            config =
                    ServerConfig.read(
                            options.texts(takeOver ? List.of("take_over=true") : List.of()));
        } catch (PageserverException e) {
            System.err.println("pageserver: " + e.getMessage());
            return 2;
        } catch (IOException e) {
            System.err.println("pageserver: the configuration cannot be read: " + e);
            return 2;
        }
        if (checkConfig) {
            System.out.println("pageserver: the configuration is fine");
            return 0;
        }
        LogLines.use(logFormat(config));
        Thread.setDefaultUncaughtExceptionHandler((thread, e) ->
                TRACER.event(Event.TASK_FAILED, Subject.SERVER, thread.getName(), e));
        Path workdir = options.workdir();
        try {
            Files.createDirectories(workdir);
        } catch (IOException e) {
            System.err.println(
                    "pageserver: " + workdir.toAbsolutePath() + " cannot be a directory: " + e);
            return 1;
        }
        try (FileChannel lockFile =
                        FileChannel.open(
                                workdir.resolve("pageserver.lock"),
                                StandardOpenOption.CREATE,
                                StandardOpenOption.WRITE);
                FileLock lock = lockFile.tryLock()) {
            if (lock == null) {
                System.err.println(
                        "pageserver: another page server uses "
                                + workdir.toAbsolutePath()
                                + "; stop it or choose another -D");
                return 1;
            }
            return run(config);
        } catch (PageserverException e) {
            System.err.println("pageserver: " + e.getMessage());
            return 1;
        }
    }

    /** A person reads a terminal; whatever collects what goes elsewhere wants fields. */
    private static LogLines.Format logFormat(ServerConfig config) {
        LogLines.Format asked = config.logFormat();
        if (asked != null) {
            return asked;
        }
        return LogLines.isOnTerminal() ? LogLines.Format.LOGFMT : LogLines.Format.JSON;
    }

    private Integer run(ServerConfig config) throws InterruptedException {
        StoreSettings settings = config.remoteStorage();
        if (settings == null) {
            return run(config, null);
        }
        try (StoreConnection connection = StoreConnection.open(settings, System.getenv())) {
            TRACER.event(
                    Event.STORE_CONNECTED,
                    connection.kind()
                            + " "
                            + connection.location()
                            + ", as "
                            + connection.identity());
            return run(config, connection);
        }
    }

    private Integer run(ServerConfig config, @Nullable StoreConnection connection)
            throws InterruptedException {
        Path workdir = options.workdir();
        Doors doors = config.doors().doors(workdir);
        Certificate certificate = config.doors().encryption().certificate(workdir);
        SystemClock clock = new SystemClock();
        SystemTasks tasks = new SystemTasks(TRACER, (task, failure) -> {});
        WalRedoPool redo = redo(config.redo());
        Environment environment =
                new Environment(
                        clock,
                        tasks,
                        new NioDisk(workdir),
                        new SocketNet(),
                        new SecureIds(),
                        TRACER,
                        redo);
        StoreMetrics store = connection == null ? null : new StoreMetrics(connection.store());
        Tenants tenants =
                Tenants.load(
                        environment,
                        config.limits(),
                        config.tenants(),
                        store == null ? null : remote(store, environment, config),
                        config.eviction(),
                        config.ownership(),
                        config.heatmap());
        PageMetrics pageMetrics = new PageMetrics();
        ServerConfig.Clients clients = config.clients();
        PageServer pages =
                PageServer.start(
                        config.pageService(),
                        new PageService(
                                pageMetrics.measured(PageService.directory(tenants)),
                                doors.ofPages(),
                                clients.idleNanos()),
                        config.doors().encryption().pages() ? certificate : null,
                        tasks,
                        new PageServer.Settings(clients.most(), clients.drainNanos()));
        Health health =
                new Health(
                        () -> tenants.tenants().size(),
                        workdir.toFile()::getUsableSpace,
                        store == null ? null : store::answered);
        Metrics metrics = new Metrics(VERSION, tenants, pageMetrics, store, pages::connections);
        Management commands = new Management(tenants);
        ManagementServer.Service operators =
                new ManagementServer.Service(
                        commands,
                        new Sources(tenants, environment, 2 * config.limits().flushDistance()),
                        new Bootstrap(commands, config.freshCluster()),
                        doors,
                        health,
                        metrics::text);
        ManagementServer management =
                ManagementServer.start(config.management(), operators, null, tasks);
        ServerConfig.Address https = config.doors().encryption().https();
        ManagementServer encrypted =
                https == null ? null : ManagementServer.start(https, operators, certificate, tasks);
        TRACER.event(
                Event.SERVER_READY,
                "page service on "
                        + pages.address()
                        + ", management on "
                        + management.address()
                        + (encrypted == null ? "" : " and, by HTTPS, " + encrypted.address())
                        + ", working directory "
                        + workdir.toAbsolutePath()
                        + ", version "
                        + VERSION);
        if (connection != null && tenants.tenants().isEmpty()) {
            tellOfStore(tenants, management.address());
        }
        Thread stop =
                Thread.ofPlatform()
                        .name("stop")
                        .unstarted(() -> {
                            TRACER.event(Event.SERVER_STOPPING, "requests under way are answered");
                            health.drain();
                            pages.close();
                            management.close();
                            if (encrypted != null) {
                                encrypted.close();
                            }
                            tenants.close();
                            redo.close();
                            TRACER.event(
                                    Event.SERVER_STOPPED, "connections and tenants are closed");
                        });
        Runtime.getRuntime().addShutdownHook(stop);
        Thread.currentThread().join();
        return 0;
    }

    private static RemoteStore remote(
            StoreMetrics store, Environment environment, ServerConfig config) {
        StoreSettings settings = config.remoteStorage();
        RemoteLimits limits = RemoteLimits.DEFAULT;
        return new RemoteStore(
                store,
                environment.clock(),
                environment.tasks(),
                environment.ids(),
                environment.tracer(),
                new RemoteLimits(
                        settings == null ? limits.operations() : settings.concurrencyLimit(),
                        limits.bytesPerSecond(),
                        limits.attempts(),
                        limits.firstDelayNanos(),
                        limits.longestDelayNanos(),
                        limits.partBytes(),
                        config.maxUploadLag()));
    }

    /** An empty directory and a full store: somebody may want his data back. */
    private static void tellOfStore(Tenants tenants, Object management) {
        try {
            int there = tenants.tenantsInStore().size();
            if (there > 0) {
                TRACER.event(
                        Event.STORE_HAS_TENANTS,
                        "nothing is here, but %d tenants are in the store; they come by: palimpsest tenant attach --all --server http:/%s"
                                .formatted(there, management));
            }
        } catch (PageserverException e) {
            TRACER.event(Event.STORE_NOT_LISTED, String.valueOf(e.getMessage()));
        }
    }

    private static WalRedoPool redo(ServerConfig.Redo config) {
        Path libraries = config.libraryDirectory();
        PostgresLauncher launcher =
                new PostgresLauncher(
                        config.postgresDirectory(),
                        libraries == null ? PostgresLauncher.builtLibraries() : libraries,
                        config.preloadLibraries());
        TRACER.event(Event.REDO_CONFIGURED, config.pool().mode() + ", " + launcher);
        return new WalRedoPool(launcher, config.pool());
    }
}
