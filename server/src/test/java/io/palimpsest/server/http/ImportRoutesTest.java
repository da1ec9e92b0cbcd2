package io.palimpsest.server.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.Bytes;
import io.palimpsest.base.Lsn;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PageChecksum;
import io.palimpsest.server.cli.Palimpsest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Base backups and WAL that a client sends: what is whole is taken, whatever else comes is refused
 * with a reason, and nothing of it stays.
 */
@Timeout(120)
class ImportRoutesTest {
    private static final String BACKUP =
            "import_basebackup?base_lsn=0/3000028&end_lsn=0/30000A0&pg_version=17";
    private static final String WAL = "import_wal?start_lsn=0/3000028&end_lsn=0/30000A0";
    private static final String SEGMENT = "000000010000000000000003";

    @TempDir private Path directory;

    private RunningServer server;
    private int timelines;

    @BeforeEach
    void start() {
        server = new RunningServer(directory, null);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private record Answer(int status, JsonNode body) {
        String said() {
            return body.path("msg").asText();
        }
    }

    private String path(int timeline) {
        return "/v1/tenant/"
                + RunningServer.TENANT
                + "/timeline/"
                + String.format("%032x", timeline);
    }

    /** A request as bytes, its body in chunks of that size, and the answer. */
    private Answer put(String what, byte[] body, int chunk) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(server.address());
            return put(socket, what, body, chunk);
        }
    }

    private Answer put(Socket socket, String what, byte[] body, int chunk) throws IOException {
        OutputStream out = socket.getOutputStream();
        out.write(head(what, "Transfer-Encoding: chunked"));
        for (int at = 0; at < body.length; at += chunk) {
            int n = Math.min(chunk, body.length - at);
            out.write((Integer.toHexString(n) + "\r\n").getBytes(StandardCharsets.US_ASCII));
            out.write(body, at, n);
            out.write("\r\n".getBytes(StandardCharsets.US_ASCII));
        }
        out.write("0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
        return answer(socket.getInputStream());
    }

    private static byte[] head(String what, String... headers) {
        return ("PUT "
                        + what
                        + " HTTP/1.1\r\nHost: localhost\r\n"
                        + String.join("\r\n", headers)
                        + "\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII);
    }

    private static Answer answer(InputStream in) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        while (!head.toString(StandardCharsets.US_ASCII).endsWith("\r\n\r\n")) {
            int c = in.read();
            assertTrue(c >= 0, "closed after: " + head);
            head.write(c);
        }
        String text = head.toString(StandardCharsets.US_ASCII);
        int at = text.indexOf("content-length: ");
        int length = at < 0 ? 0 : Integer.parseInt(text.substring(at + 16, text.indexOf('\r', at)));
        byte[] body = in.readNBytes(length);
        return new Answer(
                Integer.parseInt(text.substring(9, 12)),
                new ObjectMapper().readTree(length == 0 ? "{}".getBytes() : body));
    }

    private int next() {
        return ++timelines;
    }

    private Path files(int timeline) {
        return directory.resolve(
                "tenants/"
                        + RunningServer.TENANT
                        + "/timelines/"
                        + String.format("%032x", timeline));
    }

    private void refused(int status, String said, byte[] tar) throws Exception {
        refused(status, said, BACKUP, tar);
    }

    private void refused(int status, String said, String what, byte[] tar) throws Exception {
        int id = next();
        Answer answer = put(path(id) + "/" + what, tar, 1 << 16);
        assertEquals(status, answer.status(), answer.said());
        assertTrue(answer.said().contains(said), answer.said());
        gone(id);
    }

    private void gone(int id) throws Exception {
        JsonNode _ = server.send(404, "GET", path(id), "");
        assertFalse(Files.exists(files(id)), "files of it are left");
    }

    private int taken() throws Exception {
        int id = next();
        Answer answer = put(path(id) + "/" + BACKUP, new SentBackup().tar(), 999);
        assertEquals(200, answer.status(), answer.said());
        return id;
    }

    @Test
    void aBackupAndItsWalAreReadable() throws Exception {
        int id = taken();
        JsonNode branch = server.send(200, "GET", path(id), "");
        assertEquals("0/3000028", branch.path("last_record_lsn").asText());
        assertEquals("0/30000A0", branch.path("min_readable_lsn").asText());
        assertEquals(17, branch.path("pg_version").asInt());
        byte[] wal = SentBackup.tar(SEGMENT, SentBackup.segment(SentBackup.SYSTEM));
        for (int i = 0; i < 2; i++) {
            // Again is fine, in pieces of any size.
            Answer answer = put(path(id) + "/" + WAL, wal, i == 0 ? 777 : 1 << 18);
            assertEquals(200, answer.status(), answer.said());
            assertEquals("0/30000A0", answer.body().path("last_record_lsn").asText());
        }
        Answer twice = put(path(id) + "/" + BACKUP, new SentBackup().tar(), 1 << 16);
        assertEquals(409, twice.status(), twice.said());
        server.close();
        server = new RunningServer(directory, null);
        assertEquals(
                Lsn.toString(SentBackup.END),
                server.send(200, "GET", path(id), "").path("last_record_lsn").asText());
    }

    @Test
    void namesAndLinksThatLeadOutAreRefused() throws Exception {
        SentBackup good = new SentBackup();
        byte[] page = new byte[Page.SIZE];
        for (String name :
                new String[] {"../../escape", "/etc/escape", "base/../../escape", "base/5/.."}) {
            refused(500, "expected a path within", good.tarWith(name, '0', 8192, "", page));
        }
        refused(400, "found a link", good.tarWith("base/5/1", '2', 0, "/etc/passwd", new byte[0]));
        refused(400, "found a link", good.tarWith("base/5/1", '1', 0, "PG_VERSION", new byte[0]));
        refused(400, "found a link", good.tarWith("pg_wal", '2', 0, "/wal", new byte[0]));
        refused(500, "is of type", good.tarWith("base/5/1", '3', 0, "", new byte[0]));
        assertFalse(Files.exists(directory.resolveSibling("escape")));
        int id = next();
        Answer placed =
                put(
                        path(id) + "/" + BACKUP,
                        good.tarWith("pg_tblspc/1700", '2', 0, "/data/fast", new byte[0]),
                        1 << 16);
        assertEquals(200, placed.status(), "where a tablespace was: " + placed.said());
    }

    @Test
    void sizesAreHeldToWhatIsSaid() throws Exception {
        SentBackup good = new SentBackup();
        refused(
                400,
                "expected at most 1073741824",
                good.tarWith("base/5/7", '0', (1L << 30) + 1, "", new byte[0]));
        refused(
                400,
                "expected at most",
                good.tarWith("backup_label", '0', 8L << 30, "", new byte[0]));
        refused(
                500,
                "the archive ends within a member",
                good.tarWith("base/5/7", '0', 1L << 30, "", new byte[Page.SIZE]));
        byte[] tar = good.tar();
        refused(500, "ends within a member", Arrays.copyOf(tar, tar.length / 2 + 100));
        refused(400, "no global/pg_control", Arrays.copyOf(tar, 0));
        byte[] noise = new byte[100_000];
        Arrays.fill(noise, (byte) 7);
        refused(500, "tar archive at byte 0", noise);
        refused(400, "comes twice", good.tarWith("base/5/16384", '0', 8192, "", new byte[8192]));
    }

    @Test
    void whatIsNoBackupOfThatPlaceIsRefused() throws Exception {
        SentBackup copied = new SentBackup();
        copied.files.remove("backup_label");
        refused(400, "neither a backup_label nor", copied.tar());
        SentBackup late = new SentBackup();
        late.files.put("backup_label", SentBackup.label(SentBackup.START + 8));
        refused(400, "backup_label starts at 0/3000030", late.tar());
        SentBackup old = new SentBackup();
        old.files.put("PG_VERSION", SentBackup.text("16\n"));
        refused(400, "expected 17, found '16'", old.tar());
        refused(
                400,
                "pg_control: version",
                BACKUP.replace("pg_version=17", "pg_version=15"),
                withoutVersions().tar());
        SentBackup part = new SentBackup();
        part.files.put("base/5/INCREMENTAL.16385", new byte[100]);
        refused(400, "incremental", part.tar());
        SentBackup damaged = new SentBackup();
        byte[] control = SentBackup.control(true);
        control[100] ^= 1;
        damaged.files.put("global/pg_control", control);
        refused(500, "pg_control: CRC", damaged.tar());
    }

    private static SentBackup withoutVersions() {
        SentBackup backup = new SentBackup();
        backup.files.keySet().removeIf(name -> name.endsWith("PG_VERSION"));
        return backup;
    }

    @Test
    void checksumsAreComparedWhereTheClusterHasThem() throws Exception {
        byte[] pages = new byte[3 * Page.SIZE];
        for (int block = 0; block < 3; block++) {
            int at = block * Page.SIZE;
            Page.putLsn(pages, at, SentBackup.START - 8);
            Bytes.putU16(pages, at + 14, Page.SIZE);
            PageChecksum.stamp(pages, at, block);
        }
        SentBackup backup = new SentBackup();
        backup.files.put("base/5/16384", pages);
        Answer good = put(path(next()) + "/" + BACKUP, backup.tar(), 1 << 16);
        assertEquals(200, good.status(), good.said());
        pages[2 * Page.SIZE + 5000] ^= 1;
        refused(500, "base/5/16384 block 2", backup.tar());
        Answer unasked =
                put(path(next()) + "/" + BACKUP + "&verify_checksums=false", backup.tar(), 1 << 16);
        assertEquals(200, unasked.status(), unasked.said());
        backup.files.put("global/pg_control", SentBackup.control(false));
        Answer none = put(path(next()) + "/" + BACKUP, backup.tar(), 1 << 16);
        assertEquals(200, none.status(), "a cluster without: " + none.said());
        backup.files.put("global/pg_control", SentBackup.control(true));
        Page.putLsn(pages, 2 * Page.SIZE, SentBackup.START);
        Answer torn = put(path(next()) + "/" + BACKUP, backup.tar(), 1 << 16);
        assertEquals(200, torn.status(), "newer than the start, WAL has it: " + torn.said());
    }

    @Test
    void walThatDoesNotGoOnIsRefusedAndTheBranchStays() throws Exception {
        int id = taken();
        byte[] segment = SentBackup.segment(SentBackup.SYSTEM);
        Object[][] cases = {
            {"0/3000028", "is of another cluster", SEGMENT, SentBackup.segment(1)},
            {"0/3000028", "WAL timeline 2", SEGMENT.replace("00000001", "00000002"), segment},
            {"0/3000028", "is missing", SEGMENT.replace("03", "04"), segment},
            {"0/3000028", "its first page says", SEGMENT, shifted(segment)},
            {"0/3000028", "ends at 0/3000050", SEGMENT, Arrays.copyOf(segment, 0x50)},
            {"0/3000030", "leaves a gap", SEGMENT, segment},
            {"0/3000028", "ends at 0/3000028", "archive_status", segment},
            {"0/3000028", "segments have 16777216", SEGMENT, new byte[SentBackup.SEGMENT + 1]},
        };
        for (Object[] one : cases) {
            String what = WAL.replaceFirst("start_lsn=[^&]*", "start_lsn=" + one[0]);
            byte[] tar = SentBackup.tar((String) one[2], (byte[]) one[3]);
            Answer answer = put(path(id) + "/" + what, tar, 1 << 18);
            assertTrue(answer.status() >= 400, (String) one[1]);
            assertTrue(answer.said().contains((String) one[1]), answer.said());
            assertEquals(
                    "0/3000028",
                    server.send(200, "GET", path(id), "").path("last_record_lsn").asText());
        }
        Answer good = put(path(id) + "/" + WAL, SentBackup.tar(SEGMENT, segment), 1 << 18);
        assertEquals(200, good.status(), good.said());
    }

    private static byte[] shifted(byte[] segment) {
        byte[] other = segment.clone();
        Bytes.putI64(other, 8, 0x400_0000);
        return other;
    }

    /** The sender goes away in the middle. */
    @Test
    void anAbortedImportLeavesNothing() throws Exception {
        int id = next();
        byte[] tar = new SentBackup().tar();
        try (Socket socket = new Socket()) {
            socket.connect(server.address());
            OutputStream out = socket.getOutputStream();
            out.write(head(path(id) + "/" + BACKUP, "Content-Length: " + tar.length));
            out.write(tar, 0, tar.length / 2);
            out.flush();
            while (!Files.exists(files(id))) {
                Thread.sleep(5);
            }
            JsonNode _ = server.send(409, "GET", path(id), "");
        }
        while (server.request("GET", path(id), "").statusCode() == 409) {
            Thread.sleep(5);
        }
        gone(id);
        Answer again = put(path(id) + "/" + BACKUP, tar, 1 << 16);
        assertEquals(200, again.status(), again.said());
    }

    /** While the sender says nothing: nobody waits for it, and nothing stays. */
    @Test
    void anImportIsCancelledWhileItWaitsForItsSender() throws Exception {
        int id = next();
        byte[] tar = new SentBackup().tar();
        try (Socket socket = new Socket()) {
            socket.connect(server.address());
            OutputStream out = socket.getOutputStream();
            out.write(head(path(id) + "/" + BACKUP, "Content-Length: " + tar.length));
            out.write(tar, 0, tar.length / 2);
            out.flush();
            JsonNode running = running();
            while (running.path("bytes_done").asLong() < tar.length / 2) {
                running = server.send(200, "GET", "/v1/operation/" + running.path("number"), "");
                Thread.sleep(5);
            }
            long number = running.path("number").asLong();
            HttpResponse<String> asked = server.request("DELETE", "/v1/operation/" + number, "");
            assertTrue(asked.statusCode() == 202 || asked.statusCode() == 200, asked.body());
            Answer answer = answer(socket.getInputStream());
            assertEquals(500, answer.status(), answer.said());
            assertTrue(answer.said().contains("cancelled by request"), answer.said());
            gone(id);
            JsonNode again = server.send(200, "DELETE", "/v1/operation/" + number, "");
            assertEquals("cancelled", again.path("state").asText());
            assertEquals("import", again.path("kind").asText());
        }
        Answer again = put(path(id) + "/" + BACKUP, tar, 1 << 16);
        assertEquals(200, again.status(), again.said());
        JsonNode _ = server.send(409, "DELETE", "/v1/operation/2", "");
    }

    private JsonNode running() throws Exception {
        while (true) {
            for (JsonNode operation : server.send(200, "GET", "/v1/operation", "")) {
                if (operation.path("state").asText().equals("running")) {
                    return operation;
                }
            }
            Thread.sleep(5);
        }
    }

    private record Said(int status, String out, String err) {}

    private Said palimpsest(String... words) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int status =
                Palimpsest.run(
                        new PrintWriter(out),
                        new PrintWriter(err),
                        false,
                        Stream.concat(
                                        Stream.of(words),
                                        Stream.of(
                                                "--server",
                                                "http://127.0.0.1:" + server.address().getPort()))
                                .toArray(String[]::new));
        return new Said(status, out.toString(), err.toString());
    }

    @Test
    void theCommandLineCancelsWhatWasTakenOfWal() throws Exception {
        int id = taken();
        byte[] wal = SentBackup.tar(SEGMENT, SentBackup.segment(SentBackup.SYSTEM));
        try (Socket socket = new Socket()) {
            socket.connect(server.address());
            OutputStream out = socket.getOutputStream();
            out.write(head(path(id) + "/" + WAL, "Content-Length: " + wal.length));
            out.write(wal, 0, 100);
            out.flush();
            String number = running().path("number").asText();
            Said said = palimpsest("operation", "cancel", number);
            assertEquals(0, said.status, said.err);
            assertTrue(said.out.startsWith("cancelled after "), said.out);
            assertEquals(500, answer(socket.getInputStream()).status());
            Said list = palimpsest("operation", "list", "--all");
            assertTrue(list.out.contains("cancelled after "), list.out);
            assertEquals(1, palimpsest("operation", "watch", number).status);
            assertEquals(4, palimpsest("operation", "cancel", "1").status);
            assertEquals(3, palimpsest("operation", "cancel", "999").status);
        }
        // It is where it was, and goes on.
        Answer again = put(path(id) + "/" + WAL, wal, 1 << 18);
        assertEquals(200, again.status(), again.said());
    }

    /** Refused at its first bytes, a sender that has much more to send hears why. */
    @Test
    void whoSendsMuchIsToldAtOnce() throws Exception {
        int id = next();
        try (Socket socket = new Socket()) {
            socket.connect(server.address());
            OutputStream out = socket.getOutputStream();
            out.write(head(path(id) + "/" + BACKUP, "Content-Length: 1000000000"));
            byte[] noise = new byte[1 << 20];
            Arrays.fill(noise, (byte) 7);
            InputStream in = socket.getInputStream();
            for (int i = 0; i < 200 && in.available() == 0; i++) {
                out.write(noise);
            }
            Answer answer = answer(in);
            assertEquals(500, answer.status());
            assertTrue(answer.said().contains("tar archive at byte 0"), answer.said());
            out.write(noise);
        }
        gone(id);
    }

    @Test
    void aConnectionIsUsedAgainAndAskedBeforeItSends() throws Exception {
        int id = next();
        byte[] tar = new SentBackup().tar();
        try (Socket socket = new Socket()) {
            socket.connect(server.address());
            OutputStream out = socket.getOutputStream();
            out.write(
                    head(
                            path(id) + "/" + BACKUP,
                            "Content-Length: " + tar.length,
                            "Expect: 100-continue"));
            assertEquals(100, answer(socket.getInputStream()).status());
            out.write(tar);
            // The next request is on its way before the answer.
            out.write(
                    ("GET " + path(id) + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
                            .getBytes(StandardCharsets.US_ASCII));
            assertEquals(200, answer(socket.getInputStream()).status());
            Answer detail = answer(socket.getInputStream());
            assertEquals("0/3000028", detail.body().path("last_record_lsn").asText());
            Answer wal =
                    put(
                            socket,
                            path(id) + "/" + WAL,
                            SentBackup.tar(SEGMENT, SentBackup.segment(SentBackup.SYSTEM)),
                            1 << 18);
            assertEquals(200, wal.status(), wal.said());
        }
    }
}
