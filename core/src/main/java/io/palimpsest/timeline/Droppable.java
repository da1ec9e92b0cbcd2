package io.palimpsest.timeline;

import io.palimpsest.layer.LayerFile;

/**
 * A layer file on the disk that need not be there: the store has it for sure.
 *
 * @param covered neither a read at the timeline's end needs it, nor one where a branch or a lease
 *     holds it
 */
public record Droppable(LayerFile file, boolean covered) {}
