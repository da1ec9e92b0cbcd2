package io.palimpsest.protocol;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.Check;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class TarWriterTest {
    private static final class Listing implements TarReader.Visitor {
        final List<String> lines = new ArrayList<>();
        private final ByteSink content = new ByteSink(64);
        private TarEntry open = new TarEntry("", 0, TarEntry.Type.FILE, "", 0);

        @Override
        public void entry(TarEntry entry) {
            open = entry;
            content.clear();
        }

        @Override
        public void content(byte[] b, int offset, int length) {
            content.bytes(b, offset, length);
        }

        @Override
        public void entryEnd() {
            lines.add(line(open.name(), open.mode(), content.toByteArray()));
        }
    }

    private static String line(String name, int mode, byte[] content) {
        return name + " " + Integer.toOctalString(mode) + " " + Arrays.hashCode(content);
    }

    @Property(tries = 100)
    void whatIsWrittenIsRead(@ForAll long seed) {
        Prng random = new Prng(seed);
        ByteSink archive = new ByteSink(1024);
        TarWriter tar = new TarWriter(archive::bytes, 1_700_000_000L);
        List<String> expected = new ArrayList<>();
        for (int i = random.nextInt(12); i >= 0; i--) {
            String name = "f" + i + "/" + "n".repeat(random.nextInt(96));
            if (random.oneIn(3)) {
                name = name.endsWith("/") ? "d" + i : name;
                tar.directory(name);
                expected.add(line(name, 0700, new byte[0]));
                continue;
            }
            name = name.endsWith("/") ? "e" + i : name;
            byte[] content = new byte[random.nextInt(random.oneIn(4) ? 40_000 : 1500)];
            int zeros = random.nextInt(content.length + 1);
            for (int at = zeros; at < content.length; at++) {
                content[at] = (byte) random.nextInt(256);
            }
            tar.file(name, content.length);
            tar.zeros(zeros);
            tar.content(content, zeros, content.length - zeros);
            tar.endFile();
            expected.add(line(name, 0600, content));
        }
        int whole = archive.size();
        tar.finish();
        Listing found = new Listing();
        TarReader reader = new TarReader(found);
        reader.push(archive.array(), 0, archive.size());
        reader.finish();
        assertEquals(expected, found.lines);
        assertEquals(whole + 1024, archive.size());
    }

    @Test
    void misuseIsAWrongProgram() {
        TarWriter tar = new TarWriter((b, offset, length) -> {}, 0);
        assertThrows(Check.Failed.class, () -> tar.directory("x".repeat(101)));
        tar.file("a", 3);
        assertThrows(Check.Failed.class, () -> tar.content(new byte[4], 0, 4));
        assertThrows(Check.Failed.class, tar::endFile);
        assertThrows(Check.Failed.class, tar::finish);
        assertThrows(Check.Failed.class, () -> tar.directory("b"));
    }

    @Test
    void anArchiveWithinAFileIsSeenToBeCut() {
        ByteSink archive = new ByteSink(1024);
        TarWriter tar = new TarWriter(archive::bytes, 0);
        tar.file("a", 2000);
        tar.content(new byte[1000], 0, 1000);
        TarReader reader = new TarReader(new Listing());
        reader.push(archive.array(), 0, archive.size());
        assertThrows(PageserverException.class, reader::finish);
    }
}
