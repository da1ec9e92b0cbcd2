package io.palimpsest.server.connect;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * A PostgreSQL of one's own on a branch, as it lies on this machine.
 *
 * <pre>
 *   HOME/NAME/copy.json     what it is
 *             data          the data directory      tablespaces/OID   if there are any
 *             s             the socket's directory  server.log
 * </pre>
 *
 * @param server the management API of the page server it came from
 * @param branch the branch that was made for it
 * @param source the branch that was asked for
 * @param port of the socket, and on 127.0.0.1 if {@code tcp}
 */
public record Copy(
        Path directory,
        String server,
        TenantId tenant,
        TimelineId branch,
        TimelineId source,
        String lsn,
        int major,
        Path bin,
        int port,
        boolean tcp,
        boolean keep,
        String user,
        Instant made) {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String FILE = "copy.json";
    private static final String HOME = "PALIMPSEST_COPIES";

    /** Where copies lie by default: where the environment says, else below who runs this. */
    public static Path home() {
        String named = System.getenv(HOME);
        if (named != null && !named.isEmpty()) {
            return Path.of(named);
        }
        return "root".equals(System.getProperty("user.name"))
                ? Path.of("/var/lib/palimpsest/copies")
                : Path.of(System.getProperty("user.home"), ".palimpsest", "copies");
    }

    public String name() {
        return String.valueOf(directory.getFileName());
    }

    public Path data() {
        return directory.resolve("data");
    }

    public Path socketDirectory() {
        return directory.resolve("s");
    }

    public Path log() {
        return directory.resolve("server.log");
    }

    Path socket() {
        return socketDirectory().resolve(".s.PGSQL." + port);
    }

    void write() throws IOException {
        ObjectNode json = JSON.createObjectNode();
        json.put("server", server)
                .put("tenant", tenant.toString())
                .put("branch", branch.toString())
                .put("source", source.toString())
                .put("lsn", lsn)
                .put("major", major)
                .put("bin", bin.toString())
                .put("port", port)
                .put("tcp", tcp)
                .put("keep", keep)
                .put("user", user)
                .put("made", made.toString());
        Files.writeString(directory.resolve(FILE), JSON.writeValueAsString(json));
    }

    /** All that there are, oldest first. */
    public static List<Copy> list(Path home) {
        List<Copy> copies = new ArrayList<>();
        if (!Files.isDirectory(home)) {
            return copies;
        }
        try (DirectoryStream<Path> directories = Files.newDirectoryStream(home)) {
            for (Path directory : directories) {
                if (Files.exists(directory.resolve(FILE))) {
                    copies.add(read(directory));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        copies.sort(Comparator.comparing(Copy::made));
        return copies;
    }

    /**
     * @throws PageserverException NOT_FOUND
     */
    public static Copy find(Path home, String name) {
        return list(home).stream()
                .filter(copy -> copy.name().equals(name))
                .findFirst()
                .orElseThrow(() ->
                        PageserverException.of(
                                ErrorCode.NOT_FOUND,
                                "no copy named '%s' in %s: palimpsest connect list names them",
                                name,
                                home));
    }

    private static Copy read(Path directory) {
        Path file = directory.resolve(FILE);
        try {
            var json = JSON.readTree(file.toFile());
            return new Copy(
                    directory,
                    json.path("server").asText(),
                    TenantId.parse(json.path("tenant").asText()),
                    TimelineId.parse(json.path("branch").asText()),
                    TimelineId.parse(json.path("source").asText()),
                    json.path("lsn").asText(),
                    json.path("major").asInt(),
                    Path.of(json.path("bin").asText()),
                    json.path("port").asInt(),
                    json.path("tcp").asBoolean(),
                    json.path("keep").asBoolean(),
                    json.path("user").asText(),
                    Instant.parse(json.path("made").asText()));
        } catch (IOException | RuntimeException e) {
            throw new PageserverException(ErrorCode.CORRUPTION, file + ": " + e.getMessage(), e);
        }
    }
}
