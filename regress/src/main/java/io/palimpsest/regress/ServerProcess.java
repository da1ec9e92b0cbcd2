package io.palimpsest.regress;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Our server as a process of its own, on our class path, so that it can be killed and started again
 * on the same directory and ports.
 */
public final class ServerProcess implements AutoCloseable {
    /** On a busy machine it takes a minute and more; one that has died is seen at once. */
    private static final long LONGEST_START = TimeUnit.MINUTES.toNanos(5);

    private final Path workingDirectory;
    private final Path log;
    private final List<String> configuration;
    private final Map<String, String> environment;
    private final InetSocketAddress pageService = free();
    private final InetSocketAddress management = free();
    private @Nullable Process process;

    /**
     * @param directory gets a working directory and a log
     */
    public ServerProcess(Path directory) {
        this(directory, List.of());
    }

    /**
     * @param directory gets a working directory and a log
     * @param configuration keys that differ from the defaults, as TOML
     */
    public ServerProcess(Path directory, List<String> configuration) {
        this(directory, configuration, Map.of());
    }

    /**
     * @param directory gets a working directory and a log
     * @param configuration keys that differ from the defaults, as TOML
     * @param environment what it finds in its environment besides ours
     */
    public ServerProcess(
            Path directory, List<String> configuration, Map<String, String> environment) {
        this.environment = Map.copyOf(environment);
        this.configuration = List.copyOf(configuration);
        this.workingDirectory = directory.resolve("pageserver");
        this.log = directory.resolve("pageserver.log");
        try {
            Files.createDirectories(workingDirectory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public InetSocketAddress pageService() {
        return pageService;
    }

    public InetSocketAddress management() {
        return management;
    }

    public Path workingDirectory() {
        return workingDirectory;
    }

    /** Starts it and returns when both listeners accept connections. */
    public void start() {
        try {
            ProcessBuilder builder =
                    new ProcessBuilder(command())
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
            builder.environment().putAll(environment);
            Process started = builder.start();
            process = started;
            long end = System.nanoTime() + LONGEST_START;
            while (!accepts(pageService) || !accepts(management)) {
                if (!started.isAlive() || System.nanoTime() > end) {
                    throw new IllegalStateException("the page server did not start:\n" + logTail());
                }
                Thread.sleep(10);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while the page server starts", e);
        }
    }

    private List<String> command() {
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx1g",
                                "--enable-native-access=ALL-UNNAMED",
                                "--sun-misc-unsafe-memory-access=allow",
                                "-cp",
                                System.getProperty("java.class.path"),
                                "io.palimpsest.server.Main",
                                "-D",
                                workingDirectory.toString(),
                                "-c",
                                "listen_pg_addr='127.0.0.1:" + pageService.getPort() + "'",
                                "-c",
                                "listen_http_addr='127.0.0.1:" + management.getPort() + "'"));
        for (String key : configuration) {
            command.add("-c");
            command.add(key);
        }
        return command;
    }

    /** SIGKILL. */
    void kill() {
        Process running = process;
        if (running != null) {
            running.destroyForcibly().onExit().join();
            process = null;
        }
    }

    /** SIGTERM: what is in memory is flushed. SIGKILL if that takes over half a minute. */
    public void stop() {
        Process running = process;
        if (running != null) {
            running.destroy();
            try {
                if (running.waitFor(30, TimeUnit.SECONDS)) {
                    process = null;
                    return;
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            kill();
        }
    }

    /** CPU time it has used since it was last started, in nanoseconds, as the system counts it. */
    public long cpuNanos() {
        Process running = process;
        return running == null
                ? 0
                : running.info().totalCpuDuration().orElse(Duration.ZERO).toNanos();
    }

    /** Of the running process. */
    public long pid() {
        Process running = process;
        if (running == null) {
            throw new IllegalStateException("it does not run");
        }
        return running.pid();
    }

    public boolean isRunning() {
        Process running = process;
        return running != null && running.isAlive();
    }

    /** All it has logged, over all its lives. */
    public String log() {
        try {
            return Files.exists(log) ? Files.readString(log) : "";
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public String logTail() {
        try {
            List<String> lines = Files.exists(log) ? Files.readAllLines(log) : List.of("(no log)");
            return String.join("\n", lines.subList(Math.max(0, lines.size() - 30), lines.size()));
        } catch (IOException e) {
            return "(log unreadable: " + e.getMessage() + ")";
        }
    }

    @Override
    public void close() {
        kill();
    }

    private static boolean accepts(InetSocketAddress address) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(address, 1000);
            return true;
        } catch (ConnectException e) {
            return false;
        }
    }

    private static InetSocketAddress free() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return new InetSocketAddress(socket.getInetAddress(), socket.getLocalPort());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
