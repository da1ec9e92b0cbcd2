package io.palimpsest.regress.bench;

import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.RelTag;
import io.palimpsest.regress.ManagementClient;
import io.palimpsest.regress.ServerProcess;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * GetPage over a socket: our server as a process, against a server that only echoes messages of the
 * same sizes, by the same client, in turn.
 */
final class PageBench implements AutoCloseable {
    private static final String RATE = "pages/s";
    private static final TenantId TENANT = new TenantId(3, 3);
    private static final TimelineId TIMELINE = new TimelineId(3, 3);

    /** Connections and requests on their way on each. */
    private record Load(String name, int connections, int depth) {}

    private static final List<Load> LOADS =
            List.of(
                    new Load("1 connection, depth 1", 1, 1),
                    new Load("1 connection, depth 64", 1, 64),
                    new Load("4 connections, depth 16", 4, 16));

    /** Pages of one kind. */
    record Pages(String name, RelTag tag, int blocks) {}

    private interface Connect {
        PageClient connect(int seed) throws IOException;
    }

    private final ServerProcess server;
    private final ManagementClient management;
    private final Process echo;
    private final InetSocketAddress echoAddress;
    private final double seconds;
    private final Figures figures = new Figures("GetPage over a socket");

    PageBench(Path directory, double seconds) throws IOException {
        this.seconds = seconds;
        server = new ServerProcess(directory);
        management = new ManagementClient(server.management());
        echo =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-cp",
                                System.getProperty("java.class.path"),
                                EchoServer.class.getName())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        BufferedReader printed =
                new BufferedReader(
                        new InputStreamReader(echo.getInputStream(), StandardCharsets.UTF_8));
        echoAddress =
                new InetSocketAddress(
                        InetAddress.getLoopbackAddress(), Integer.parseInt(printed.readLine()));
        server.start();
    }

    void importFrom(BenchSource source) {
        management.importFrom(TENANT, TIMELINE, source.conninfo(), "pages");
    }

    /** Waits until the server has followed its source up to there. */
    void await(long lsn) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(3);
        while (management.lsn(TENANT, TIMELINE, "last_record_lsn") < lsn) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException("the page server does not reach the end");
            }
            Thread.sleep(50);
        }
    }

    /** One round: every load against the peer and every kind of page. */
    void round(List<Pages> kinds, long lsn, boolean warmUp) throws Exception {
        Figures to = warmUp ? new Figures("warm-up") : figures;
        for (Load load : LOADS) {
            Pages any = kinds.getFirst();
            one(to, load, "echo", any, lsn, seed -> PageClient.toEcho(echoAddress, seed));
            for (Pages pages : kinds) {
                long cpu = server.cpuNanos();
                long n =
                        one(
                                to,
                                load,
                                pages.name(),
                                pages,
                                lsn,
                                seed ->
                                        PageClient.toPageService(
                                                server.pageService(),
                                                TENANT + " " + TIMELINE,
                                                seed));
                to.cost(
                        name(load, pages.name()),
                        "server CPU us/page",
                        (server.cpuNanos() - cpu) / 1e3 / n);
            }
        }
    }

    private static String name(Load load, String what) {
        return load.name() + ", " + what;
    }

    private long one(Figures to, Load load, String what, Pages pages, long lsn, Connect connect)
            throws Exception {
        List<PageClient> clients = new ArrayList<>();
        List<PageClient.Burst> bursts = new ArrayList<>();
        try {
            for (int i = 0; i < load.connections(); i++) {
                clients.add(connect.connect(i));
                bursts.add(new PageClient.Burst(0, 1, new double[1]));
            }
            List<Thread> threads = new ArrayList<>();
            List<Exception> failures = new ArrayList<>();
            for (int i = 0; i < clients.size(); i++) {
                int me = i;
                threads.add(
                        Thread.ofPlatform()
                                .start(() -> {
                                    try {
                                        bursts.set(
                                                me,
                                                clients.get(me)
                                                        .burst(
                                                                pages.tag(),
                                                                pages.blocks(),
                                                                lsn,
                                                                load.depth(),
                                                                seconds));
                                    } catch (IOException e) {
                                        synchronized (failures) {
                                            failures.add(e);
                                        }
                                    }
                                }));
            }
            for (Thread thread : threads) {
                thread.join();
            }
            if (!failures.isEmpty()) {
                throw failures.getFirst();
            }
        } finally {
            for (PageClient client : clients) {
                client.close();
            }
        }
        return add(to, name(load, what), bursts);
    }

    private static long add(Figures to, String name, List<PageClient.Burst> bursts) {
        double rate = 0;
        double p50 = 0;
        double p99 = 0;
        long pages = 0;
        for (PageClient.Burst b : bursts) {
            rate += b.pages() / b.seconds();
            p50 += b.percentile(0.5) / bursts.size();
            p99 += b.percentile(0.99) / bursts.size();
            pages += b.pages();
        }
        to.rate(name, RATE, rate);
        to.cost(name, "p50 us", p50);
        to.cost(name, "p99 us", p99);
        return pages;
    }

    void compare(List<Pages> kinds) {
        for (Load load : LOADS) {
            for (Pages pages : kinds) {
                figures.compare(name(load, pages.name()), name(load, "echo"), RATE);
            }
        }
        for (Pages pages : kinds) {
            Load first = LOADS.getFirst();
            figures.compare(name(first, pages.name()), name(first, "echo"), "p50 us");
            figures.compare(name(first, pages.name()), name(first, "echo"), "p99 us");
        }
    }

    Figures figures() {
        return figures;
    }

    @Override
    public void close() {
        management.close();
        server.stop();
        echo.destroyForcibly();
    }
}
