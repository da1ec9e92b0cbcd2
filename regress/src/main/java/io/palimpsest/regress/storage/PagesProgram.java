package io.palimpsest.regress.storage;

import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.pg.RelTag;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * The program in C that is both the page service's peer and the client of all that are compared:
 * what it costs to ask is the same for each, and little.
 */
final class PagesProgram implements AutoCloseable {
    /**
     * What a burst came to.
     *
     * @param p99 microseconds, likewise p50
     */
    record Burst(long pages, double seconds, double p50, double p99) {
        double rate() {
            return pages / seconds;
        }
    }

    /** The table whose pages are asked for. */
    record Table(RelTag tag, int blocks, long lsn) {}

    private final Path program;
    private final Process server;
    private final int port;

    PagesProgram(Path program) throws IOException {
        this.program = program;
        this.server = start(List.of("serve"));
        this.port = Integer.parseInt(line(server));
    }

    private Process start(List<String> arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(program.toString()));
        command.addAll(arguments);
        return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    }

    private static String line(Process process) throws IOException {
        BufferedReader out =
                new BufferedReader(
                        new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        String line = out.readLine();
        if (line == null) {
            throw new IOException("the program in C has ended; what it said is above");
        }
        return line;
    }

    /** Processor time that the peer has used so far. */
    long serverCpuNanos() {
        return server.info().totalCpuDuration().orElse(Duration.ZERO).toNanos();
    }

    /** Of the peer, answers that are no pages but as long. */
    Burst peer(Table table, int depth, double seconds) throws IOException, InterruptedException {
        return burst(asking(port, table, depth, seconds));
    }

    /** Of the page service. */
    Burst pageService(
            int servicePort,
            TenantId tenant,
            TimelineId timeline,
            Table table,
            int depth,
            double seconds)
            throws IOException, InterruptedException {
        List<String> arguments = asking(servicePort, table, depth, seconds);
        arguments.addAll(List.of(tenant.toString(), timeline.toString()));
        return burst(arguments);
    }

    private static List<String> asking(int port, Table table, int depth, double seconds) {
        return new ArrayList<>(
                List.of(
                        "ask",
                        Integer.toString(port),
                        Integer.toString(depth),
                        Double.toString(seconds),
                        Integer.toUnsignedString(table.tag().spc()),
                        Integer.toUnsignedString(table.tag().db()),
                        Integer.toUnsignedString(table.tag().rel()),
                        Integer.toString(table.blocks()),
                        Long.toUnsignedString(table.lsn())));
    }

    /** Of a PostgreSQL, by a query whose one parameter is the block. */
    Burst query(int sqlPort, String user, int blocks, double seconds, String query)
            throws IOException, InterruptedException {
        return burst(
                List.of(
                        "sql",
                        Integer.toString(sqlPort),
                        user,
                        "postgres",
                        Double.toString(seconds),
                        Integer.toString(blocks),
                        query));
    }

    private Burst burst(List<String> arguments) throws IOException, InterruptedException {
        Process process = start(arguments);
        String[] words = line(process).split(" ");
        if (process.waitFor() != 0) {
            throw new IOException("pages " + arguments + " has failed");
        }
        return new Burst(
                Long.parseLong(words[0]),
                Double.parseDouble(words[1]),
                Double.parseDouble(words[2]),
                Double.parseDouble(words[3]));
    }

    /** Connections to the page service that do nothing, until it is closed. */
    Idle hold(int servicePort, int connections, TenantId tenant, TimelineId timeline)
            throws IOException {
        Process process =
                start(
                        List.of(
                                "hold",
                                Integer.toString(servicePort),
                                Integer.toString(connections),
                                tenant.toString(),
                                timeline.toString()));
        String _ = line(process);
        return new Idle(process);
    }

    /** Such connections. */
    record Idle(Process process) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            process.getOutputStream().close();
            ProcessHandle _ = process.toHandle().onExit().join();
        }
    }

    @Override
    public void close() {
        server.destroyForcibly();
    }
}
