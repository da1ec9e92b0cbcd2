package io.palimpsest.server.metrics;

import io.palimpsest.server.metrics.Exposition.MetricType;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.lang.management.OperatingSystemMXBean;

/** The process and its Java machine, under the names that everybody's dashboards know. */
final class ProcessMetrics {
    private final String version;

    /**
     * @param version of this program
     */
    ProcessMetrics(String version) {
        this.version = version;
    }

    void write(Exposition out) {
        out.family("palimpsest_build_info", MetricType.GAUGE, "1; what runs here, in the labels.")
                .sample(1, "version", version, "java", Runtime.version().toString());
        out.family("process_start_time_seconds", MetricType.GAUGE, "When it started, since 1970.")
                .sample(ManagementFactory.getRuntimeMXBean().getStartTime() / 1e3);
        OperatingSystemMXBean system = ManagementFactory.getOperatingSystemMXBean();
        if (system instanceof com.sun.management.UnixOperatingSystemMXBean unix) {
            out.family(
                            "process_cpu_seconds_total",
                            MetricType.COUNTER,
                            "Time of processors it took.")
                    .sample(unix.getProcessCpuTime() / 1e9);
            out.family("process_open_fds", MetricType.GAUGE, "Files and sockets it has open.")
                    .sample(unix.getOpenFileDescriptorCount());
            out.family("process_max_fds", MetricType.GAUGE, "How many it may have open.")
                    .sample(unix.getMaxFileDescriptorCount());
        }
        MemoryUsage heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage();
        MemoryUsage other = ManagementFactory.getMemoryMXBean().getNonHeapMemoryUsage();
        out.family("jvm_memory_used_bytes", MetricType.GAUGE, "Memory of the Java machine in use.")
                .sample(heap.getUsed(), "area", "heap")
                .sample(other.getUsed(), "area", "nonheap");
        out.family("jvm_memory_max_bytes", MetricType.GAUGE, "What the heap may grow to (-Xmx).")
                .sample(heap.getMax(), "area", "heap");
        out.family(
                "jvm_gc_collection_seconds_sum", MetricType.COUNTER, "Time that collectors took.");
        for (GarbageCollectorMXBean gc : ManagementFactory.getGarbageCollectorMXBeans()) {
            out.sample(gc.getCollectionTime() / 1e3, "gc", gc.getName());
        }
        out.family("jvm_gc_collection_seconds_count", MetricType.COUNTER, "How often they ran.");
        for (GarbageCollectorMXBean gc : ManagementFactory.getGarbageCollectorMXBeans()) {
            out.sample(gc.getCollectionCount(), "gc", gc.getName());
        }
        out.family("jvm_threads_current", MetricType.GAUGE, "Threads of the system.")
                .sample(ManagementFactory.getThreadMXBean().getThreadCount());
    }
}
