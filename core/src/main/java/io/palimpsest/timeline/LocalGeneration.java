package io.palimpsest.timeline;

import io.palimpsest.base.FormatVersion;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TextChecksum;
import io.palimpsest.port.Disk;
import io.palimpsest.remote.TenantManifest;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The file that says under which claims a tenant's directory was written last. If the newest
 * manifest in the store is of one of them, nobody else has owned the tenant since, and what the
 * directory has is what the store has, or newer.
 *
 * @param claims the last; and, if it went on from one of ours, that one, because the last may never
 *     have come to a manifest
 */
record LocalGeneration(List<Claim> claims) {
    private static final String FILE = "generation";
    private static final String MAGIC = "palimpsest generation 1\n";
    private static final int MOST = 256;

    /** A generation and what tells who has claimed it. */
    record Claim(Generation generation, long nonce) {
        static Claim of(TenantManifest manifest) {
            return new Claim(manifest.generation(), manifest.nonce());
        }
    }

    LocalGeneration {
        claims = List.copyOf(claims);
    }

    static LocalGeneration of(TenantManifest claimed, @Nullable TenantManifest before) {
        return new LocalGeneration(
                before == null
                        ? List.of(Claim.of(claimed))
                        : List.of(Claim.of(claimed), Claim.of(before)));
    }

    /** Has nobody else owned the tenant, whose newest manifest that is? */
    boolean goesOnFrom(TenantManifest newest) {
        return claims.contains(Claim.of(newest));
    }

    private String text() {
        StringBuilder s = new StringBuilder(MAGIC);
        for (Claim claim : claims) {
            s.append(String.format(Locale.ROOT, "claim %s %016x\n", claim.generation, claim.nonce));
        }
        String checksum = TextChecksum.of(s.toString());
        return s.append("crc32c ").append(checksum).append('\n').toString();
    }

    /** Durable when it returns. */
    void write(Disk disk, String directory) {
        TextFile.replace(disk, directory, FILE, text());
    }

    /** The directory goes on from no claim any more: what the store says is the truth. */
    static void forget(Disk disk, String directory) {
        disk.delete(directory + "/" + FILE);
        disk.syncDirectory(directory);
    }

    /**
     * What the directory says; null if it says nothing, or nothing that can be trusted.
     *
     * @throws PageserverException CORRUPTION if a later version has written it
     */
    static @Nullable LocalGeneration read(Disk disk, String directory) {
        String path = directory + "/" + FILE;
        String text = TextFile.read(disk, path, MOST);
        if (text == null) {
            return null;
        }
        FormatVersion.refuseLater(path, "palimpsest generation ", 1, text);
        List<Claim> claims = new ArrayList<>();
        try {
            for (String line : text.split("\n")) {
                String[] words = line.split(" ");
                if (words.length == 3 && words[0].equals("claim")) {
                    claims.add(
                            new Claim(
                                    new Generation(Integer.parseInt(words[1], 16)),
                                    Long.parseUnsignedLong(words[2], 16)));
                }
            }
        } catch (NumberFormatException e) {
            return null;
        }
        LocalGeneration found = new LocalGeneration(claims);
        return !claims.isEmpty() && found.text().equals(text) ? found : null;
    }
}
