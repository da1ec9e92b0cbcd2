package io.palimpsest.protocol;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import java.util.zip.GZIPInputStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class TarReaderTest {
    // Made by GNU tar 1.34: d/, d/a ("hello"), d/link -> /ttt(120), d/xxx(90)/, .../yyy(90)/,
    // .../long (1300 times z), d/zhard hard-linked to d/a; in ustar d/link is cut to 100
    // characters.
    private static final String GNU =
            "H4sIAAAAAAACA+2ZTU7DMBCF5yg+QW2Pf2bLnlwiUhBFjRopBAl6eiwWCBJIWyS7RH7fxpaS3Zv3Zmx3mrJjEhLCx5qYrz/sRbwhFagAL89TOypF4zBMa/+d+75ROt0W0T96v6J/+K6/TRUQSRnon539Q98PBGplp3f6rhmOj83T8XAj/1vhmf9tNEzqHv7Pjp5uBKz3T/p/n8/4X+c/kcvnPyfskv+5RHFWP/+9ZkP/df53IdUL5v9a+j+LXfZ/R6qB/tv2/1s2NIHN6H99/sdoI/K/nvwPy/wX5D/y//f871PJIr23k/8r/mfPfpH/zLj/LcEJAADAJ3X1/9O+Hbvs97/r779mPv87n85/tsTjdOX9HwAAQJ28AwxsePMAKAAA";
    private static final String PAX =
            "H4sIAAAAAAACA+2aQW7CMBBFvc4pcgIytmdsWLDvsleISlRQU6gglSinb0CooKSFgmRDyH+bIIwUIee/GTseZM/5+qnIJ8VylU1UEKjGMe+uNc0rkefD5+33mphEpWsVgc9VlS/r26t+YinNq9l7MdZ+JMzeeDcQ78iK8CipR1/ao5aMFjGJAp1nkoW/xy7iIn/nv/lZa8OkUomZ/+ViUZ363bnx5p/rzPwf+T+/H/97gv/hfxA+/3nwe5zNP0nT/9Y7lVLM/PfU/9OiLBeIQY/zf1T/y9n87Qb5t2Rb/R+h/kdBW0m30/6RV9NxVt2IBG3IzfIfKPTN9Z/3/1//MYk1KjUxnkes/w7+X4fh/Pqv4X/Lzjr4//brPzP6RbyOtqMC7z6G/9fByK7d/7PO1uUC+39dn/99aTnb/3tp+t+Thv+j9P8jTne9f9AH4SsYWXJNBRuigsXI/36OLvY/k9YO/n+k+T/lfybT8L9oYfg/jv+H3fZ/uZi/Yvuoy/k3bLjlf2Pw/icGGwAAAD/0q/4f7f9vpvkywBngy89/aevw/vcO9v/ROT9+/gOF/pL8t87/GsdOpTrG4bSe9/8AAAAAAAAAAAAAAAAAAAAAAAAeg2/1/c+aAFAAAA==";
    private static final String USTAR =
            "H4sIAAAAAAACA+3Y3wqCMBQG8D2Kb7B/Z9vzCIuMxIEZVE/f6KKLBSbCFmvf72aCgsinZ8fjOctORM6Y1xql6+exlIoE6wwr4HpZ+jnefg5hWbvu2/n04SrheV8kf0u0kr9J89fOsk4g/+yGwzgGBq3yfDxN5wL137nt9Z+E0Yp1ii/5NV//b9nwvfu/tjq+Ltj/C7hnw/f3f1ZbKSvPP+eHVUf+Y5iOW/o/RYqS/Imcqbz/qyT/BwAAvLX1//cY+tn/eP6Tzv+UJcs6WWI41Xj/DwAAAAAAAAAA/+0JoWF//AAoAAA=";

    /** Writes down what it sees, one line a member. */
    private static final class Listing implements TarReader.Visitor {
        final List<String> lines = new ArrayList<>();
        private int hash;
        private long bytes;
        private TarEntry open;

        @Override
        public void entry(TarEntry entry) {
            open = entry;
            hash = 1;
            bytes = 0;
        }

        @Override
        public void content(byte[] b, int offset, int length) {
            for (int i = offset; i < offset + length; i++) {
                hash = 31 * hash + b[i];
            }
            bytes += length;
        }

        @Override
        public void entryEnd() {
            assertEquals(open.size(), bytes);
            lines.add(
                    open.type() + " " + open.name() + " " + bytes + " " + hash + " " + open.link());
        }
    }

    private static byte[] unzip(String base64) {
        try (GZIPInputStream in =
                new GZIPInputStream(new ByteArrayInputStream(Base64.getDecoder().decode(base64)))) {
            return in.readAllBytes();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static List<String> list(byte[] archive, int piece) {
        Listing listing = new Listing();
        TarReader reader = new TarReader(listing);
        for (int at = 0; at < archive.length; at += piece) {
            reader.push(archive, at, Math.min(piece, archive.length - at));
        }
        reader.finish();
        return listing.lines;
    }

    private static List<String> expected(int linkLength) {
        String deep = "d/" + "x".repeat(90) + "/" + "y".repeat(90);
        List<String> lines = new ArrayList<>();
        lines.add("DIRECTORY d 0 1 ");
        lines.add("FILE d/a 5 " + Arrays.hashCode("hello".getBytes(StandardCharsets.UTF_8)) + " ");
        lines.add("SYMBOLIC_LINK d/link 0 1 /" + "t".repeat(linkLength - 1));
        lines.add("DIRECTORY d/" + "x".repeat(90) + " 0 1 ");
        lines.add("DIRECTORY " + deep + " 0 1 ");
        byte[] z = "z".repeat(1300).getBytes(StandardCharsets.UTF_8);
        lines.add("FILE " + deep + "/long 1300 " + Arrays.hashCode(z) + " ");
        lines.add("HARD_LINK d/zhard 0 1 d/a");
        return lines;
    }

    /** A ustar header as PostgreSQL writes it. */
    private static byte[] header(String name, long size, char type, String link) {
        byte[] h = new byte[512];
        put(h, 0, name);
        put(h, 100, "0000600 ");
        put(h, 108, "0000000 ");
        put(h, 116, "0000000 ");
        put(h, 124, String.format("%011o ", size));
        put(h, 136, "00000000000 ");
        h[156] = (byte) type;
        put(h, 157, link);
        put(h, 257, "ustar\00000");
        return seal(h);
    }

    private static byte[] seal(byte[] h) {
        put(h, 148, "        ");
        int sum = 0;
        for (byte b : h) {
            sum += b & 0xFF;
        }
        put(h, 148, String.format("%06o\0 ", sum));
        return h;
    }

    private static void put(byte[] h, int at, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
        System.arraycopy(bytes, 0, h, at, bytes.length);
    }

    private static PageserverException refused(byte[]... pieces) {
        TarReader reader = new TarReader(new Listing());
        return assertThrows(
                PageserverException.class,
                () -> {
                    for (byte[] piece : pieces) {
                        reader.push(piece, 0, piece.length);
                    }
                    reader.finish();
                });
    }

    @Property(tries = 40)
    void readsWhatGnuTarWrites(@ForAll @IntRange(min = 1, max = 3000) int piece) {
        assertEquals(expected(121), list(unzip(GNU), piece));
        assertEquals(expected(121), list(unzip(PAX), piece));
        assertEquals(expected(100), list(unzip(USTAR), piece));
    }

    @Test
    void readsAnArchiveWithoutAnEnd() {
        ByteSink tar = new ByteSink(4096);
        tar.bytes(header("./pg_wal/archive_status", 0, '5', ""));
        tar.bytes(header("backup_label", 3, '0', ""));
        tar.bytes("abc".getBytes(StandardCharsets.UTF_8));
        tar.zeros(509);
        tar.bytes(header("pg_tblspc/16384", 0, '2', "/data/ts"));
        int hash = Arrays.hashCode("abc".getBytes(StandardCharsets.UTF_8));
        assertEquals(
                List.of(
                        "DIRECTORY pg_wal/archive_status 0 1 ",
                        "FILE backup_label 3 " + hash + " ",
                        "SYMBOLIC_LINK pg_tblspc/16384 0 1 /data/ts"),
                list(tar.toByteArray(), 100));
    }

    @Test
    void readsSizesInBase256() {
        byte[] h = header("big", 0, '0', "");
        put(h, 124, "\u0080\0\0\0\0\0\0\3\0\0\0\5");
        List<TarEntry> entries = new ArrayList<>();
        TarReader reader =
                new TarReader(
                        new TarReader.Visitor() {
                            @Override
                            public void entry(TarEntry entry) {
                                entries.add(entry);
                            }

                            @Override
                            public void content(byte[] bytes, int offset, int length) {}

                            @Override
                            public void entryEnd() {}
                        });
        reader.push(seal(h), 0, 512);
        assertEquals((3L << 32) + 5, entries.getFirst().size());
        assertEquals(0600, entries.getFirst().mode());
        assertThrows(PageserverException.class, reader::finish);
    }

    @Test
    void refusesDamage() {
        byte[] good = header("a", 1, '0', "");
        byte[] sum = good.clone();
        sum[3] = 1;
        assertEquals(ErrorCode.CORRUPTION, refused(sum).code());
        assertTrue(refused(sum).getMessage().contains("checksum"));
        assertTrue(refused(good).getMessage().contains("within a member"));
        assertTrue(refused(new byte[512], good).getMessage().contains("after the end"));
        assertTrue(refused(new byte[100]).getMessage().contains("within a member"));
        assertEquals(ErrorCode.UNSUPPORTED, refused(header("a", 0, '3', "")).code());
        for (String bad : List.of("/etc/passwd", "../x", "a/../b", "a/..", "..", "./../x")) {
            assertTrue(refused(header(bad, 0, '0', "")).getMessage().contains("path within"), bad);
        }
        assertTrue(refused(header("x", 1L << 20, 'L', "")).getMessage().contains("long name"));
        byte[] huge = header("big", 0, '0', "");
        put(huge, 124, "\u00FF\u00FF\u00FF\u00FF\u00FF\u00FF\u00FF\u00FF\u00FF\u00FF\u00FF\u00FF");
        assertTrue(refused(seal(huge)).getMessage().contains("63 bits"));
        byte[] octal = header("o", 0, '0', "");
        put(octal, 124, "00000000009 ");
        assertTrue(refused(seal(octal)).getMessage().contains("octal"));
    }

    @Property(tries = 500)
    void neverThrowsAnythingElse(
            @ForAll @Size(max = 12) List<Integer> flips, @ForAll long seed, @ForAll boolean resum) {
        byte[] archive = unzip(seed % 2 == 0 ? GNU : PAX);
        Random random = new Random(seed);
        for (int flip : flips) {
            archive[random.nextInt(archive.length)] = (byte) flip;
        }
        if (resum) {
            for (int at = 0; at + 512 <= archive.length; at += 512) {
                if (archive[at + 257] == 'u') {
                    byte[] h = Arrays.copyOfRange(archive, at, at + 512);
                    System.arraycopy(seal(h), 0, archive, at, 512);
                }
            }
        }
        try {
            list(archive, 1 + random.nextInt(700));
        } catch (PageserverException e) {
            assertTrue(e.code() == ErrorCode.CORRUPTION || e.code() == ErrorCode.UNSUPPORTED);
        }
    }
}
