package io.palimpsest.pg;

import io.palimpsest.base.Bytes;

/**
 * Which file a catalogue lies in whose file pg_class does not say, as pg_filenode.map has it:
 *
 * <pre>
 * 0 u32 magic   4 i32 n   8 { u32 oid, u32 relfilenumber }[n] ...
 * </pre>
 *
 * Source: PostgreSQL's relmapper.c.
 */
public record RelationMap(byte[] content) {
    private static final int HEADER = 8;
    private static final int ENTRY = 8;

    /** The relfilenumber of a catalogue; 0 if it is not mapped here. */
    public int find(int oid) {
        int n = content.length < HEADER ? 0 : Bytes.i32(content, 4);
        for (int i = 0; i < n && HEADER + (i + 1) * ENTRY <= content.length; i++) {
            if (Bytes.i32(content, HEADER + i * ENTRY) == oid) {
                return Bytes.i32(content, HEADER + i * ENTRY + 4);
            }
        }
        return 0;
    }
}
