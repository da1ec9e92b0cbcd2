package io.palimpsest.server.metrics;

import java.util.Arrays;
import java.util.concurrent.atomic.LongAdder;

/** How long something took, counted in buckets; any number of threads count at once. */
final class Durations {
    /** Upper ends, in nanoseconds: 3 to a decade from 10 us on; what takes longer is the last's. */
    private static final long[] ENDS = {
        10_000L,
        20_000L,
        50_000L,
        100_000L,
        200_000L,
        500_000L,
        1_000_000L,
        2_000_000L,
        5_000_000L,
        10_000_000L,
        20_000_000L,
        50_000_000L,
        100_000_000L,
        200_000_000L,
        500_000_000L,
        1_000_000_000L,
        2_000_000_000L,
        5_000_000_000L,
        10_000_000_000L,
        60_000_000_000L,
        300_000_000_000L
    };

    private final LongAdder[] buckets = new LongAdder[ENDS.length + 1];
    private final LongAdder nanos = new LongAdder();

    Durations() {
        Arrays.setAll(buckets, i -> new LongAdder());
    }

    /** Counts {@code times} that took {@code each} nanoseconds. */
    void add(long each, int times) {
        int at = Arrays.binarySearch(ENDS, each);
        buckets[at < 0 ? -at - 1 : at].add(times);
        nanos.add(each * times);
    }

    /** Samples of the histogram that was begun under that name. */
    void write(Exposition out, String name, String... labels) {
        long sum = 0;
        String[] withEnd = Arrays.copyOf(labels, labels.length + 2);
        withEnd[labels.length] = "le";
        for (int i = 0; i < buckets.length; i++) {
            sum += buckets[i].sum();
            withEnd[labels.length + 1] = i == ENDS.length ? "+Inf" : Double.toString(ENDS[i] / 1e9);
            out.sampleOf(name + "_bucket", sum, withEnd);
        }
        out.sampleOf(name + "_sum", nanos.sum() / 1e9, labels);
        out.sampleOf(name + "_count", sum, labels);
    }
}
