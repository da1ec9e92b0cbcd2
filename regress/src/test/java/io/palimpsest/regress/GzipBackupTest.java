package io.palimpsest.regress;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.TimelineId;
import io.palimpsest.protocol.TarEntry;
import io.palimpsest.protocol.TarReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;

/**
 * A base backup for a compute, compressed, as clients take it: one gzip stream of the same archive.
 */
class GzipBackupTest {
    /** The members of an archive by their names, directories without content. */
    private static final class Members implements TarReader.Visitor {
        final Map<String, byte[]> all = new TreeMap<>();
        private final ByteArrayOutputStream content = new ByteArrayOutputStream();
        private String name = "";

        @Override
        public void entry(TarEntry entry) {
            name = entry.name();
            content.reset();
            if (entry.type() == TarEntry.Type.DIRECTORY) {
                all.put(name + "/", new byte[0]);
            }
        }

        @Override
        public void content(byte[] bytes, int offset, int length) {
            content.write(bytes, offset, length);
        }

        @Override
        public void entryEnd() {
            all.put(name, content.toByteArray());
        }
    }

    private static Map<String, byte[]> members(byte[] archive) {
        Members members = new Members();
        TarReader reader = new TarReader(members);
        reader.push(archive, 0, archive.length);
        reader.finish();
        return members.all;
    }

    /** As messages of the protocol. */
    private static byte[] copyOut(Scene scene, String command) throws IOException {
        ByteArrayOutputStream copied = new ByteArrayOutputStream();
        try (Socket socket = new Socket()) {
            socket.connect(scene.server.pageService());
            socket.setSoTimeout(60_000);
            DataInputStream in = new DataInputStream(socket.getInputStream());
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            out.writeInt(9);
            out.writeInt(196_608);
            out.writeByte(0);
            assertEquals("RSSSZ", messages(in, copied));
            byte[] query = command.getBytes(StandardCharsets.US_ASCII);
            out.writeByte('Q');
            out.writeInt(5 + query.length);
            out.write(query);
            out.writeByte(0);
            assertEquals("HdcCZ", messages(in, copied));
        }
        return copied.toByteArray();
    }

    /** Types of the messages up to ReadyForQuery, a row of the same once; what CopyData holds. */
    private static String messages(DataInputStream in, ByteArrayOutputStream copied)
            throws IOException {
        StringBuilder types = new StringBuilder();
        char type = ' ';
        while (type != 'Z') {
            type = (char) in.readUnsignedByte();
            byte[] body = in.readNBytes(in.readInt() - 4);
            if (type == 'd') {
                copied.write(body);
            }
            if (type != 'd' || types.charAt(types.length() - 1) != 'd') {
                types.append(type);
            }
        }
        return types.toString();
    }

    /** By PostgreSQL's own client, which people use for this; null where it is not installed. */
    private static byte[] byPsql(Scene scene, String command) throws Exception {
        Path psql = psql();
        if (psql == null) {
            return null;
        }
        Process process =
                new ProcessBuilder(
                                psql.toString(),
                                "-X",
                                "-h",
                                "127.0.0.1",
                                "-p",
                                Integer.toString(scene.server.pageService().getPort()),
                                "-U",
                                "compute",
                                "-d",
                                "x",
                                "-c",
                                command)
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        byte[] copied = process.getInputStream().readAllBytes();
        assertEquals(0, process.waitFor());
        return copied;
    }

    private static Path psql() throws IOException {
        Path versions = Path.of("/usr/lib/postgresql");
        if (!Files.isDirectory(versions)) {
            return null;
        }
        try (Stream<Path> installed = Files.list(versions)) {
            return installed
                    .map(version -> version.resolve("bin/psql"))
                    .filter(Files::isExecutable)
                    .findFirst()
                    .orElse(null);
        }
    }

    private static byte[] unzipped(byte[] compressed) throws IOException {
        try (GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(compressed))) {
            return in.readAllBytes();
        }
    }

    private static void assertSame(Map<String, byte[]> plain, Map<String, byte[]> unpacked) {
        assertEquals(plain.keySet(), unpacked.keySet());
        plain.forEach((name, content) -> assertArrayEquals(content, unpacked.get(name), name));
    }

    @Test
    void itIsTheSameArchive() throws Exception {
        try (Scene scene = new Scene("gzip")) {
            TimelineId main = scene.imported();
            String at = Lsn.toString(scene.arrived(main));
            String command = "basebackup %s %s %s".formatted(scene.tenant, main, at);
            Map<String, byte[]> plain = members(copyOut(scene, command));
            for (String needed : new String[] {"neon.signal", "global/pg_control", "PG_VERSION"}) {
                assertTrue(plain.containsKey(needed), plain.keySet()::toString);
            }
            byte[] compressed = copyOut(scene, command + " --gzip");
            byte[] archive = unzipped(compressed);
            assertTrue(compressed.length < archive.length / 2, "it is compressed");
            assertSame(plain, members(archive));
            byte[] byPsql = byPsql(scene, command + " --gzip");
            if (byPsql != null) {
                assertSame(plain, members(unzipped(byPsql)));
            }
        }
    }
}
