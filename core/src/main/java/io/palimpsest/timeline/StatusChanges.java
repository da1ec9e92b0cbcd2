package io.palimpsest.timeline;

import io.palimpsest.base.Key;
import io.palimpsest.layer.LayerFile;
import io.palimpsest.layer.LayerMap;
import io.palimpsest.layer.OpenLayer;
import io.palimpsest.layer.Reconstruction;
import io.palimpsest.value.StoredValue;

/**
 * The ends of transactions as a timeline's layers have them, ancestors included: all changes of a
 * page of pg_xact between two LSNs, also those that no read would need.
 */
final class StatusChanges {
    private final Timeline timeline;

    StatusChanges(Timeline timeline) {
        this.timeline = timeline;
    }

    /** Takes changes in no order; one may come again. */
    interface Visitor {
        /** The value is {@code b[at .. at+length)}, a {@link StoredValue#CLOG_STATUS}. */
        void visit(long lsn, byte[] b, int at, int length);
    }

    /** As {@link ReadPath} reads: again if the timeline's layers or ancestors changed meanwhile. */
    void visit(Key page, long from, long to, Visitor visitor) {
        Reconstruction values = new Reconstruction();
        int before;
        boolean done;
        do {
            timeline.checkOpen();
            before = timeline.structure();
            // What was visited the last time is true, and is visited again.
            done = visitOnce(values, page, from, to, visitor);
        } while (!done || timeline.structure() != before);
    }

    /** False if a layer went before it was searched. */
    private boolean visitOnce(
            Reconstruction values, Key page, long from, long to, Visitor visitor) {
        long below = to;
        Timeline t = timeline;
        while (t != null && below >= from) {
            // Taken before the layers: those of a detached branch hold all that the ancestor had.
            BranchPoint at = t.branchPoint();
            long above = at == null ? from : Math.max(from, at.lsn() + 1);
            if (!visitOwn(t.layers(), values, page, above, below, visitor)) {
                // One that is closed keeps its layers in the map, and none of them can be read.
                t.checkOpen();
                return false;
            }
            t = at == null ? null : at.ancestor();
            below = at == null ? below : Math.min(below, at.lsn());
        }
        return true;
    }

    /** Deltas only: images repeat what deltas have said. False if a layer is gone. */
    private static boolean visitOwn(
            LayerMap layers, Reconstruction values, Key page, long from, long to, Visitor visitor) {
        for (OpenLayer open : layers.openLayers()) {
            if (open.startLsn() <= to) {
                search(values, page, from, to, visitor, open::collect);
            }
        }
        for (LayerFile file : layers.candidates(page.hi(), page.mid(), page.lo(), to + 1)) {
            if (file.image() || file.name().endLsn() <= from) {
                continue;
            }
            if (!file.acquire()) {
                return false;
            }
            try {
                search(values, page, from, to, visitor, r -> file.collect(r, from));
            } finally {
                file.release();
            }
        }
        return true;
    }

    /** Collects one layer's values of a page, down to an initial one. */
    private interface Layer {
        boolean collect(Reconstruction values);
    }

    /** All of the layer's values, also those that a read would not need. */
    private static void search(
            Reconstruction values, Key page, long from, long to, Visitor visitor, Layer layer) {
        long at = to;
        boolean more = true;
        while (more && at >= from) {
            values.reset(page.hi(), page.mid(), page.lo(), at);
            more = layer.collect(values);
            for (int i = 0; i < values.count(); i++) {
                byte[] b = values.bytes();
                int offset = values.offset(i);
                if (values.lsn(i) >= from
                        && StoredValue.kind(b, offset) == StoredValue.CLOG_STATUS) {
                    visitor.visit(values.lsn(i), b, offset, values.length(i));
                }
            }
            at = more ? values.lsn(values.count() - 1) - 1 : at;
        }
    }
}
