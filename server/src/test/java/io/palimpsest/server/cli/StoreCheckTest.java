package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StoreCheckTest {
    @TempDir Path directory;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private int check(String... args) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        String[] words =
                Stream.concat(Stream.of("store", "check"), Stream.of(args)).toArray(String[]::new);
        return Palimpsest.run(new PrintWriter(out), new PrintWriter(err), Terminal.NONE, words);
    }

    private String local(String path) {
        return "remote_storage={local_path='" + directory.resolve(path) + "'}";
    }

    @Test
    void aDirectoryCanBeUsed() throws IOException {
        assertEquals(0, check("-c", local("store")), out + "" + err);
        assertTrue(out.toString().contains("kind      local"), out.toString());
        assertTrue(out.toString().contains("put only if absent       good"), out.toString());
        assertTrue(
                out.toString().contains("list versions            no, not needed: UNSUPPORTED"),
                out.toString());
        assertTrue(out.toString().contains("list unfinished puts     good"), out.toString());
        Files.writeString(directory.resolve("pageserver.toml"), local("store"));
        assertEquals(0, check("--json", "-D", directory.toString()), out + "" + err);
        JsonNode json = new ObjectMapper().readTree(out.toString());
        assertEquals(1, json.get("schema").asInt());
        assertTrue(json.get("usable").asBoolean());
        assertEquals("local", json.get("kind").asText());
        assertTrue(json.get("steps").size() >= 10, out.toString());
        try (Stream<Path> left = Files.walk(directory.resolve("store"))) {
            assertEquals(0, left.filter(p -> p.toString().contains("check")).count());
        }
    }

    @Test
    void whatCannotBeIsRefused() throws IOException {
        assertEquals(2, check());
        assertTrue(err.toString().contains("no remote_storage is configured"), err.toString());
        assertEquals(2, check("-c", "remote_storage={bucket_name='bbb'}"));
        assertTrue(err.toString().contains("bucket_region is missing"), err.toString());
        Files.writeString(directory.resolve("file"), "x");
        assertEquals(2, check("-c", local("file")));
        assertTrue(err.toString().contains("cannot be a directory"), err.toString());
    }

    @Test
    void aStoreThatDoesNotAnswerFails() {
        System.setProperty("aws.accessKeyId", "AKIAIOSFODNN7EXAMPLE");
        System.setProperty("aws.secretAccessKey", "hunter2hunter2");
        try {
            int status =
                    check(
                            "-c",
                            "remote_storage={bucket_name='bbb',bucket_region='eu-north-1',endpoint='http://127.0.0.1:1'}");
            assertEquals(1, status, out + "" + err);
            assertTrue(out.toString().contains("UNAVAILABLE"), out.toString());
            assertTrue(out.toString().contains("access key AKIA...MPLE from"), out.toString());
            assertFalse((out + "" + err).contains("hunter2"), out.toString());
        } finally {
            System.clearProperty("aws.accessKeyId");
            System.clearProperty("aws.secretAccessKey");
        }
    }
}
