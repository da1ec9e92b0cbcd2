package io.palimpsest.protocol;

/** An answer of the pagestream sub-protocol, as a client sees it. */
public sealed interface PagestreamResponse {
    record Exists(boolean exists) implements PagestreamResponse {}

    /**
     * @param blocks unsigned
     */
    record Blocks(int blocks) implements PagestreamResponse {}

    record DatabaseSize(long bytes) implements PagestreamResponse {}

    /** One page, or those of an SLRU segment one after the other. */
    record Pages(byte[] bytes) implements PagestreamResponse {}

    record Failure(String message) implements PagestreamResponse {}
}
