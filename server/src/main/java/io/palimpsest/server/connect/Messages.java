package io.palimpsest.server.connect;

import io.palimpsest.base.Bytes;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/**
 * The client's end of a libpq connection, as far as one needs it who asks a handful of simple
 * questions: messages in, start-up and queries out. A length is checked before it is used.
 */
public final class Messages {
    private static final int VERSION_3 = 196_608;
    private static final int CLEARTEXT_PASSWORD = 3;

    /** A message of a backup is about as long; without, its type and length are a read each. */
    private static final int BUFFER_BYTES = 64 << 10;

    private final DataInputStream in;
    private final DataOutputStream out;
    private final int mostBytes;
    private byte[] body = new byte[64 << 10];
    private int length;

    /**
     * @param mostBytes of a message that is taken
     */
    public Messages(InputStream in, OutputStream out, int mostBytes) {
        this.in = new DataInputStream(new BufferedInputStream(in, BUFFER_BYTES));
        this.out = new DataOutputStream(out);
        this.mostBytes = mostBytes;
    }

    public void startUp(Map<String, String> parameters) throws IOException {
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        parameters.forEach((name, value) -> {
            text.writeBytes(name.getBytes(StandardCharsets.UTF_8));
            text.write(0);
            text.writeBytes(value.getBytes(StandardCharsets.UTF_8));
            text.write(0);
        });
        text.write(0);
        out.writeInt(8 + text.size());
        out.writeInt(VERSION_3);
        out.write(text.toByteArray());
        out.flush();
    }

    /** Answers the server that asked for a password. */
    public void password(String password) throws IOException {
        text('p', password);
    }

    public void query(String sql) throws IOException {
        text('Q', sql);
    }

    private void text(char type, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        out.writeByte(type);
        out.writeInt(4 + bytes.length + 1);
        out.write(bytes);
        out.writeByte(0);
        out.flush();
    }

    /** The server may forget us. */
    void terminate() throws IOException {
        out.writeByte('X');
        out.writeInt(4);
        out.flush();
    }

    /** Reads the next message and answers its type; {@link #body} is overwritten. */
    public int next() throws IOException {
        int type = in.readUnsignedByte();
        length = in.readInt() - 4;
        if (length < 0 || length > mostBytes) {
            throw new IOException(
                    "found message '%c' of %d bytes, expected at most %d"
                            .formatted((char) type, length, mostBytes));
        }
        if (length > body.length) {
            body = new byte[length];
        }
        in.readFully(body, 0, length);
        return type;
    }

    byte[] body() {
        return body;
    }

    int length() {
        return length;
    }

    /** Does the authentication message that was read ask for a password as it is? */
    boolean asksForPassword() {
        return length >= 4 && Bytes.i32BE(body, 0) == CLEARTEXT_PASSWORD;
    }

    /** Fields of the ErrorResponse that was read, by their letters: V severity, M message. */
    Map<Character, String> error() {
        Map<Character, String> fields = new TreeMap<>();
        for (String field : new String(body, 0, length, StandardCharsets.UTF_8).split("\0")) {
            if (!field.isEmpty()) {
                fields.put(field.charAt(0), field.substring(1));
            }
        }
        return fields;
    }
}
