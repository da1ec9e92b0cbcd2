package io.palimpsest.regress.bench;

import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.layer.Reconstruction;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.server.redo.WalRedoPool;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Microseconds a page, and bytes allocated for it (the profiler {@code gc}): the JVM's redo, the
 * process's, and the bare pipe. JMH makes subclasses of it and of its states.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Fork(1)
public class RedoBenchmark {
    private static final Path LIBRARIES = Path.of("server/target/walredo");

    /** The chains and where one thread is in them. */
    @State(Scope.Thread)
    public static class Chains {
        /** Of a chain, above its base image. */
        @Param({"1", "4", "10", "100"})
        public int records;

        private RedoContext context = new RedoContext(PgVersion.V15, true);
        private List<Reconstruction> chains = List.of();
        private int requestBytes;
        private int next;
        private final byte[] page = new byte[Page.SIZE];

        /** Of the recorded WAL of 15. */
        @Setup
        public void load() {
            RecordedWal wal = RecordedWal.load("pg15");
            context = new RedoContext(PgVersion.V15, wal.hintBitsLogged());
            RedoChains all = RedoChains.of(wal, records, 400);
            chains = all.chains();
            requestBytes = all.requestBytes();
        }

        private byte[] page(PageMaker maker) {
            maker.page(chains.get(next), page);
            next = next + 1 == chains.size() ? 0 : next + 1;
            return page;
        }
    }

    /** This program's own redo. */
    @State(Scope.Thread)
    public static class Jvm {
        private PageMaker maker = PageMaker.spin();

        /** For the chains' cluster. */
        @Setup
        public void make(Chains chains) {
            maker = PageMaker.jvm(chains.context);
        }
    }

    /** A redo process. */
    @State(Scope.Thread)
    public static class RedoProcess {
        private final WalRedoPool pool = PageMaker.pool(PageMaker.launcher(LIBRARIES), 1);
        private PageMaker maker = PageMaker.spin();

        /** For the chains' cluster. */
        @Setup
        public void make(Chains chains) {
            maker = PageMaker.process(chains.context, pool);
        }

        /** Ends the process. */
        @TearDown
        public void close() {
            pool.close();
        }
    }

    /** The child that only reads and writes. */
    @State(Scope.Thread)
    public static class Pipe {
        private PageMaker maker = PageMaker.spin();

        /** With requests as long as the chains'. */
        @Setup
        public void start(Chains chains) {
            maker = new BarePipe(LIBRARIES.resolve("echo"), chains.requestBytes);
        }

        /** Ends the child. */
        @TearDown
        public void close() {
            maker.close();
        }
    }

    @Benchmark
    public byte[] jvm(Chains chains, Jvm jvm) {
        return chains.page(jvm.maker);
    }

    @Benchmark
    public byte[] process(Chains chains, RedoProcess process) {
        return chains.page(process.maker);
    }

    @Benchmark
    public byte[] pipe(Chains chains, Pipe pipe) {
        return chains.page(pipe.maker);
    }
}
