package io.palimpsest.server.backup;

/** Receives files one after the other, each in pieces. */
public interface FileVisitor {
    /**
     * The next file.
     *
     * @param name relative to the data directory
     * @return is its content wanted?
     */
    boolean file(String name, long size);

    void content(byte[] bytes, int offset, int length);

    /** The file that was wanted is over. */
    void end();

    /** A link that says where a tablespace was. */
    void tablespace(int oid, String location);

    /** The files of that tablespace are there, be it that there are none. */
    void hasTablespace(int oid);
}
