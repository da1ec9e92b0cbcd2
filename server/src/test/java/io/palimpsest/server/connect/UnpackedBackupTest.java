package io.palimpsest.server.connect;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.PageserverException;
import io.palimpsest.protocol.TarWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnpackedBackupTest {
    @TempDir private Path home = Path.of("");

    private UnpackedBackup unpack(Consumer<TarWriter> content) {
        ByteSink archive = new ByteSink(1024);
        TarWriter tar = new TarWriter(archive::bytes, 0);
        content.accept(tar);
        tar.finish();
        return push(archive.toByteArray());
    }

    private UnpackedBackup push(byte[] archive) {
        try (UnpackedBackup backup =
                new UnpackedBackup(home.resolve("data"), home.resolve("tablespaces"))) {
            for (int at = 0; at < archive.length; at += 300) {
                backup.push(archive, at, Math.min(300, archive.length - at));
            }
            backup.finish();
            return backup;
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void filesAndTablespaces() throws IOException {
        UnpackedBackup backup =
                unpack(tar -> {
                    tar.directory("global");
                    tar.file("global/pg_control", bytes("control"));
                    tar.directory("pg_tblspc");
                    tar.directory("pg_tblspc/16400");
                    tar.directory("pg_tblspc/16400/PG_17_1");
                    tar.file("pg_tblspc/16400/PG_17_1/5/16401", new byte[9000]);
                    tar.file("PG_VERSION", bytes("17\n"));
                });
        assertEquals(3, backup.files());
        Path data = home.resolve("data");
        assertArrayEquals(bytes("17\n"), Files.readAllBytes(data.resolve("PG_VERSION")));
        assertEquals(
                9000, Files.size(home.resolve("tablespaces/16400/PG_17_1/5/16401")), "outside");
        assertTrue(Files.isSymbolicLink(data.resolve("pg_tblspc/16400")));
        assertEquals(9000, Files.size(data.resolve("pg_tblspc/16400/PG_17_1/5/16401")));
        assertEquals(
                "rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(data)));
        assertEquals(
                "rw-------",
                PosixFilePermissions.toString(
                        Files.getPosixFilePermissions(data.resolve("PG_VERSION"))));
    }

    @Test
    void nothingIsOverwritten() {
        assertThrows(
                PageserverException.class,
                () ->
                        unpack(tar -> {
                            tar.file("a", bytes("1"));
                            tar.file("a", bytes("2"));
                        }));
    }

    @Test
    void halfABackupIsNone() {
        assertThrows(PageserverException.class, () -> unpack(tar -> tar.file("a", bytes("1"))));
    }

    @Test
    void linksAndWaysOutAreRefused() {
        for (String[] evil :
                new String[][] {{"link", "2"}, {"link", "1"}, {"../out", "0"}, {"/etc/out", "0"}}) {
            ByteSink archive = new ByteSink(1024);
            new TarWriter(archive::bytes, 0).file("x".repeat(20), bytes("evil"));
            byte[] b = archive.toByteArray();
            byte[] name = bytes(evil[0] + "\0".repeat(20 - evil[0].length()));
            System.arraycopy(name, 0, b, 0, 20);
            b[156] = (byte) evil[1].charAt(0);
            System.arraycopy(bytes("/etc"), 0, b, 157, 4);
            seal(b);
            assertThrows(PageserverException.class, () -> push(b), evil[0]);
            assertFalse(Files.exists(home.resolve("out")));
            try {
                Files.delete(home.resolve("data"));
            } catch (IOException e) {
                throw new AssertionError("something was written", e);
            }
        }
    }

    private static void seal(byte[] header) {
        System.arraycopy(bytes("        "), 0, header, 148, 8);
        int sum = 0;
        for (int i = 0; i < 512; i++) {
            sum += header[i] & 0xFF;
        }
        System.arraycopy(bytes(String.format("%06o\0 ", sum)), 0, header, 148, 8);
    }
}
