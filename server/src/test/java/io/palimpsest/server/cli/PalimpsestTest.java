package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.Lsn;
import io.palimpsest.fixtures.GoldenStore;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command line on the golden store. */
class PalimpsestTest {
    private static final String TIMELINES = "tenants/" + "1".repeat(32) + "/timelines/";

    @TempDir Path store;

    private StringWriter out = new StringWriter();
    private StringWriter err = new StringWriter();
    private Path root = Path.of("");
    private Path branch = Path.of("");

    @BeforeEach
    void extract() {
        GoldenStore.extract(1, store);
        root = store.resolve(TIMELINES + "2".repeat(32));
        branch = store.resolve(TIMELINES + "3".repeat(32));
    }

    private int run(Object... args) {
        out = new StringWriter();
        err = new StringWriter();
        String[] words = Stream.of(args).map(String::valueOf).toArray(String[]::new);
        return Palimpsest.run(new PrintWriter(out), new PrintWriter(err), Terminal.NONE, words);
    }

    private JsonNode json() throws IOException {
        JsonNode node = new ObjectMapper().readTree(out.toString());
        assertEquals(1, node.get("schema").asInt());
        return node;
    }

    private Path largestLayer() throws IOException {
        try (Stream<Path> files = Files.list(root)) {
            return files.filter(f -> !f.endsWith("index"))
                    .max((a, b) -> Long.compare(a.toFile().length(), b.toFile().length()))
                    .orElseThrow();
        }
    }

    @Test
    void checkFindsOneFlippedBit() throws IOException {
        assertEquals(0, run("layer", "check", root, branch));
        assertTrue(out.toString().matches("checked 10 files, \\d+ KiB: good\\s+"), out.toString());
        Path file = largestLayer();
        byte[] b = Files.readAllBytes(file);
        b[b.length / 2] ^= 8;
        Files.write(file, b);
        assertEquals(6, run("layer", "check", "--json", root));
        JsonNode damaged = json().get("damaged");
        assertEquals(1, damaged.size());
        assertEquals(file.toString(), damaged.get(0).get("path").asText());
        assertTrue(damaged.get(0).get("error").asText().contains("at offset "), out.toString());
        assertEquals(6, run("layer", "check", file));
        Files.delete(file);
        assertEquals(6, run("layer", "check", root));
        assertEquals(3, run("layer", "check", file));
        assertTrue(err.toString().startsWith("palimpsest: "), err.toString());
        assertEquals(2, run("layer", "check"));
    }

    @Test
    void dumpShowsWhatIsInAFile() throws IOException {
        Path file = largestLayer();
        assertEquals(0, run("layer", "dump", "--json", "--entries", file));
        JsonNode whole = json();
        assertEquals(whole.get("statistics").get("entries").asInt(), whole.get("entries").size());
        String key = whole.get("entries").get(0).get("key").asText();
        assertEquals(0, run("layer", "dump", "--json", "--key", key, file));
        for (JsonNode e : json().get("entries")) {
            assertEquals(key, e.get("key").asText());
        }
        assertEquals(0, run("layer", "dump", "--entries", file));
        assertTrue(out.toString().contains("kind "), out.toString());
        assertTrue(out.toString().contains("rel 1663/5/"), out.toString());
        assertEquals(2, run("layer", "dump", "--key", "1663/5", file));
    }

    @Test
    void mapDrawsEveryLayerAndMark() throws Exception {
        assertEquals(0, run("layer", "map", root));
        assertTrue(out.toString().contains("branch " + "3".repeat(32)), out.toString());
        assertTrue(out.toString().contains("9 layers, "), out.toString());
        assertEquals(0, run("layer", "map", "--json", root));
        assertEquals(9, json().get("layers").size());
        Path svg = store.resolve("map.svg");
        assertEquals(0, run("layer", "map", root, "--svg", svg));
        String text = Files.readString(svg);
        int layers =
                DocumentBuilderFactory.newInstance()
                                .newDocumentBuilder()
                                .parse(svg.toFile())
                                .getElementsByTagName("title")
                                .getLength()
                        - 1 // memory
                        - 4; // marks
        assertEquals(9, layers);
        for (String word : List.of("cutoff 0/", "lease 0/", "branch 33333333", "on disk up to")) {
            assertTrue(text.contains(word), word);
        }
        assertFalse(text.contains("href"), "outside resources");
        // The picture needs the index only, and the same store gives the same picture.
        assertEquals(0, run("layer", "map", root, "--svg", svg));
        assertEquals(text, Files.readString(svg));
        Files.delete(largestLayer());
        assertEquals(0, run("layer", "map", root, "--svg", svg));
        assertEquals(3, run("layer", "map", store));
    }

    /** Whatever the golden store says of pages, explain finds. */
    @Test
    void explainMakesThePage() throws IOException {
        int pages = 0;
        List<String> expected = GoldenStore.expected(1);
        for (int i = 0; i < expected.size(); i += 37) {
            String[] part = expected.get(i).split(" ", -1);
            boolean page = part[1].startsWith("00");
            Path timeline = store.resolve(TIMELINES + part[0]);
            int status = run("page", "explain", "--json", timeline, part[1] + "@" + part[2]);
            JsonNode o = json();
            if (page && !part[3].equals("absent")) {
                assertEquals(0, status, out.toString());
                assertEquals(part[3], o.get("page_crc32c").asText(), expected.get(i));
                pages++;
            }
            int values = 0;
            for (JsonNode layer : o.get("layers")) {
                values += layer.get("values").size();
            }
            assertEquals(o.get("values").asInt(), values);
        }
        assertTrue(pages > 5, pages + " pages");
    }

    /** Each version that history lists is there for explain, and diff sees that it changed. */
    @Test
    void historyListsWhatAPageWas() throws IOException {
        int compared = 0;
        for (String line : GoldenStore.expected(1)) {
            String[] part = line.split(" ", -1);
            if (!part[1].startsWith("00") || part[3].equals("absent") || compared > 8) {
                continue;
            }
            Path timeline = store.resolve(TIMELINES + part[0]);
            assertEquals(0, run("page", "history", "--json", timeline, part[1]), err.toString());
            List<JsonNode> versions = new ArrayList<>();
            json().get("versions").forEach(versions::add);
            assertEquals(json().get("count").asInt(), versions.size());
            String newest = null;
            for (JsonNode version : versions) {
                long lsn = Lsn.parse(version.get("lsn").asText()).value();
                assertTrue(
                        newest == null
                                || Long.compareUnsigned(lsn, Lsn.parse(newest).value()) <= 0);
                newest = version.get("lsn").asText();
            }
            String first = versions.getLast().get("lsn").asText();
            String last = versions.getFirst().get("lsn").asText();
            assertEquals(0, run("page", "diff", timeline, part[1], last, last), err.toString());
            assertTrue(out.toString().contains("the same"), out.toString());
            if (!first.equals(last)
                    && versions.getLast().get("initial").asBoolean()
                    && run("page", "diff", "--json", timeline, part[1], first, last) == 0) {
                JsonNode diff = json();
                assertEquals(first, diff.get("from_lsn").asText());
                for (JsonNode d : diff.get("differences")) {
                    assertEquals(2 * d.get("length").asInt(), d.get("from").asText().length());
                    assertFalse(d.get("from").equals(d.get("to")), d.toString());
                    compared++;
                }
            }
        }
        assertTrue(compared > 3, compared + " differences");
        assertEquals(2, run("page", "history", root, "1663/5/1247"));
        assertEquals(5, run("page", "diff", root, "1663/5/1247/0", "latest", "FFFFFFFF/0"));
    }

    @Test
    void explainCrossesToTheAncestorAndSaysWhatIsWrong() {
        String page = null;
        for (String line : GoldenStore.expected(1)) {
            String[] part = line.split(" ", -1);
            if (part[0].startsWith("3") && part[1].startsWith("00") && !part[3].equals("absent")) {
                page = part[1];
            }
        }
        assertEquals(0, run("page", "explain", branch, page + "@latest"));
        assertTrue(out.toString().contains("timeline " + "2".repeat(32)), out.toString());
        assertTrue(out.toString().contains("result: page LSN "), out.toString());
        assertEquals(5, run("page", "explain", branch, page + "@FF/0"));
        assertEquals(2, run("page", "explain", branch, page));
        assertEquals(2, run("page", "explain", branch, "1663/5/16384@0/100"));
    }
}
