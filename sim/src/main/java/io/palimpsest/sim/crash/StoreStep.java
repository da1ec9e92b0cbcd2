package io.palimpsest.sim.crash;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Something that a page server with an object store did, and what there was before.
 *
 * @param request what it asked the store for; null if it did something to its disk
 * @param store what was in the store
 * @param here what must be found if this machine starts again
 * @param elsewhere what must be found by another one, which has only the store
 */
record StoreStep(
        JournalStore.@Nullable Request request,
        StoreState store,
        List<Expected> here,
        List<Expected> elsewhere) {}
