package io.palimpsest.timeline;

import io.palimpsest.layer.LayerDescriptor;
import io.palimpsest.layer.LayerName;
import io.palimpsest.port.Tasks.Monitor;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;

/** Layers of a timeline that were found damaged, since it was opened or since {@link #forget}. */
public final class DamagedLayers {
    private static final Comparator<LayerName> BY_TEXT = Comparator.comparing(LayerName::toString);

    private final Supplier<List<LayerDescriptor>> layers;
    private final Monitor monitor;
    private volatile Set<LayerName> found = Collections.emptySet();

    /**
     * @param layers that there are
     */
    DamagedLayers(Supplier<List<LayerDescriptor>> layers, Monitor monitor) {
        this.layers = layers;
        this.monitor = monitor;
    }

    /** Those of them that are still there, by name. */
    public Set<LayerName> names() {
        Set<LayerName> damaged = found;
        if (damaged.isEmpty()) {
            return damaged;
        }
        Set<LayerName> there = new TreeSet<>(BY_TEXT);
        for (LayerDescriptor layer : layers.get()) {
            if (damaged.contains(layer.name())) {
                there.add(layer.name());
            }
        }
        return there;
    }

    /** False if it is known already. */
    public boolean add(LayerName layer) {
        monitor.lock();
        try {
            Set<LayerName> more = new TreeSet<>(BY_TEXT);
            more.addAll(found);
            boolean news = more.add(layer);
            found = more;
            return news;
        } finally {
            monitor.unlock();
        }
    }

    /** All layers are to be tried again. */
    public void forget() {
        found = Collections.emptySet();
    }
}
