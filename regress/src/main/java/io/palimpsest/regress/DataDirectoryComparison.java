package io.palimpsest.regress;

import io.palimpsest.base.Prng;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import io.palimpsest.regress.PageSource.Answer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Every page of every relation and SLRU of a cleanly stopped PostgreSQL against what a page server
 * says there was at that LSN, in both directions: a page or a relation only one side has is a
 * mismatch, too.
 *
 * <p>Equal means equal under {@link PageKind#mask}. Besides, FSM forks, unlogged relations (but for
 * their init forks) and temporary files are skipped and counted; sizes may differ by trailing pages
 * that were never used, a visibility map being nothing but such pages until its first bit is set
 * (PostgreSQL makes that fork without WAL); entries of multixact offsets from the next multixact on
 * do not count.
 */
final class DataDirectoryComparison {
    private static final int AT_ONCE = 512;

    private final DataDirectory disk;
    private final Catalog catalog;
    private final PageSource source;
    private final long lsn;
    private final long importLsn;
    private final ComparisonReport report;

    /**
     * @param lsn what the source is asked for
     * @param importLsn pages of a newer pd_lsn have been changed by streamed WAL
     * @param evidence where both versions of the first differing pages are kept
     */
    DataDirectoryComparison(
            DataDirectory disk,
            Catalog catalog,
            PageSource source,
            long lsn,
            long importLsn,
            Path evidence) {
        this.disk = disk;
        this.catalog = catalog;
        this.source = source;
        this.lsn = lsn;
        this.importLsn = importLsn;
        this.report = new ComparisonReport(evidence);
    }

    ComparisonReport run() {
        PageSource.Keyspace keyspace = source.keyspace(lsn);
        report.skipped("temporary", disk.temporaryPages());
        relations(keyspace);
        slrus(keyspace);
        return report;
    }

    /**
     * Compares some runs of up to {@code most} pages of relations that PostgreSQL has, drawn at
     * random.
     */
    ComparisonReport sample(Prng prng, int runs, int most) {
        List<PageSource.Fork> forks = disk.forks();
        for (int i = 0; i < runs; i++) {
            PageSource.Fork fork = forks.get(prng.nextInt(forks.size()));
            RelTag tag = fork.tag();
            Catalog.Relation relation = catalog.find(tag);
            if (fork.blocks() == 0
                    || tag.fork() == RelTag.FSM
                    || tag.fork() == RelTag.VM
                    || relation == null
                    || tag.fork() == RelTag.MAIN
                            && (relation.unlogged() || disk.has(tag.withFork(RelTag.INIT)))) {
                continue;
            }
            int first = prng.nextInt(fork.blocks());
            int count = Math.min(most, fork.blocks() - first);
            byte[] theirs = disk.read(tag, first, count);
            List<Answer> ours = source.pages(tag, first, count, lsn);
            for (int j = 0; j < count; j++) {
                byte[] page = pageOf(theirs, j);
                page(
                        tag,
                        first + j,
                        relation.kind(),
                        relation.label(),
                        relation.name(),
                        page,
                        ours.get(j));
            }
        }
        return report;
    }

    private void relations(PageSource.Keyspace keyspace) {
        TreeMap<RelTag, Integer> onDisk = new TreeMap<>(DataDirectory.ORDER);
        TreeMap<RelTag, Integer> served = new TreeMap<>(DataDirectory.ORDER);
        disk.forks().forEach(f -> onDisk.put(f.tag(), f.blocks()));
        keyspace.relations().forEach(f -> served.put(f.tag(), f.blocks()));
        TreeSet<RelTag> all = new TreeSet<>(DataDirectory.ORDER);
        all.addAll(onDisk.keySet());
        all.addAll(served.keySet());
        for (RelTag tag : all) {
            Catalog.Relation relation = catalog.find(tag);
            int most = Math.max(onDisk.getOrDefault(tag, 0), served.getOrDefault(tag, 0));
            RelTag init = tag.withFork(RelTag.INIT);
            if (tag.fork() == RelTag.FSM) {
                report.skipped("fsm", most);
            } else if (tag.fork() != RelTag.INIT
                    && (relation != null && relation.unlogged()
                            || onDisk.containsKey(init)
                            || served.containsKey(init))) {
                report.skipped("unlogged", most);
            } else {
                fork(tag, relation, onDisk.get(tag), served.get(tag));
            }
        }
    }

    private void fork(
            RelTag tag,
            Catalog.@Nullable Relation relation,
            @Nullable Integer diskBlocks,
            @Nullable Integer servedBlocks) {
        String name = relation == null ? "(in no catalog)" : relation.name();
        String label =
                switch (tag.fork()) {
                    case RelTag.VM -> "visibility map";
                    case RelTag.INIT -> "init";
                    default -> relation == null ? "uncatalogued" : relation.label();
                };
        report.relation(label);
        if ((diskBlocks == null || servedBlocks == null) && tag.fork() != RelTag.VM) {
            report.missing(
                    label,
                    tag + " " + name,
                    diskBlocks == null ? "only the page server has it" : "only PostgreSQL has it",
                    Math.max(1, Math.max(or0(diskBlocks), or0(servedBlocks))));
            return;
        }
        int onDisk = or0(diskBlocks);
        int served = or0(servedBlocks);
        int most = Math.max(onDisk, served);
        for (int first = 0; first < most; first += AT_ONCE) {
            int count = Math.min(AT_ONCE, most - first);
            int fromDisk = Math.clamp(onDisk - (long) first, 0, count);
            int fromServer = Math.clamp(served - (long) first, 0, count);
            byte[] theirs = fromDisk == 0 ? new byte[0] : disk.read(tag, first, fromDisk);
            List<Answer> ours =
                    fromServer == 0 ? List.of() : source.pages(tag, first, fromServer, lsn);
            for (int i = 0; i < count; i++) {
                byte[] postgres = i < fromDisk ? pageOf(theirs, i) : null;
                Answer answer = i < fromServer ? ours.get(i) : null;
                page(
                        tag,
                        first + i,
                        kind(tag, relation, postgres, answer),
                        label,
                        name,
                        postgres,
                        answer);
            }
        }
    }

    private static int or0(@Nullable Integer n) {
        return n == null ? 0 : n;
    }

    private static byte[] pageOf(byte[] pages, int i) {
        return Arrays.copyOfRange(pages, i * Page.SIZE, (i + 1) * Page.SIZE);
    }

    private static PageKind kind(
            RelTag tag,
            Catalog.@Nullable Relation relation,
            byte @Nullable [] postgres,
            @Nullable Answer answer) {
        if (tag.fork() == RelTag.VM) {
            return PageKind.VISIBILITY_MAP;
        }
        if (relation != null) {
            return relation.kind();
        }
        if (postgres != null) {
            return PageKind.sniff(postgres);
        }
        return answer instanceof Answer.Pages(byte[] bytes) ? PageKind.sniff(bytes) : PageKind.HEAP;
    }

    private void page(
            RelTag tag,
            int block,
            PageKind kind,
            String label,
            String name,
            byte @Nullable [] postgres,
            @Nullable Answer answer) {
        String where = tag + " block " + block + " " + name;
        if (answer instanceof Answer.Refused(String message)) {
            report.refused(label, where, message);
            return;
        }
        byte @Nullable [] served = answer instanceof Answer.Pages(byte[] bytes) ? bytes : null;
        if (postgres == null || served == null) {
            byte[] only = postgres != null ? postgres : served;
            if (only != null && !unused(kind, only)) {
                report.oneSided(label, where, postgres, served);
            }
            return;
        }
        boolean changed = Long.compareUnsigned(Page.lsn(postgres), importLsn) > 0;
        if (Arrays.equals(postgres, served)) {
            report.equal(label, changed);
            return;
        }
        byte[] maskedPostgres = postgres.clone();
        byte[] maskedServed = served.clone();
        kind.mask(maskedPostgres, block);
        kind.mask(maskedServed, block);
        int at = Arrays.mismatch(maskedPostgres, maskedServed);
        if (at < 0) {
            report.equal(label, changed);
        } else {
            report.different(label, where + " as " + kind, at, postgres, served, changed);
        }
    }

    private static boolean unused(PageKind kind, byte[] page) {
        return Page.isNew(page)
                || kind == PageKind.VISIBILITY_MAP && allZero(page, Page.HEADER, Page.SIZE);
    }

    private static boolean allZero(byte[] bytes, int from, int to) {
        for (int i = from; i < to; i++) {
            if (bytes[i] != 0) {
                return false;
            }
        }
        return true;
    }

    private void slrus(PageSource.Keyspace keyspace) {
        for (Slru slru : Slru.values()) {
            Map<Integer, byte[]> onDisk = disk.slru(slru);
            TreeMap<Integer, Integer> served = new TreeMap<>(Integer::compareUnsigned);
            for (PageSource.Segment s : keyspace.slruSegments()) {
                if (s.slru() == slru) {
                    served.put(s.segment(), s.pages());
                }
            }
            TreeSet<Integer> all = new TreeSet<>(Integer::compareUnsigned);
            all.addAll(onDisk.keySet());
            all.addAll(served.keySet());
            for (int segment : all) {
                report.relation(slru.directory());
                segment(
                        slru,
                        segment,
                        onDisk.getOrDefault(segment, new byte[0]),
                        served.get(segment));
            }
        }
    }

    private void segment(Slru slru, int segment, byte[] postgres, @Nullable Integer servedPages) {
        String label = slru.directory();
        String where = String.format("%s/%04X", label, segment);
        byte[] served = new byte[0];
        if (servedPages != null) {
            switch (source.slruSegment(slru, segment, lsn)) {
                case Answer.Refused(String message) -> {
                    for (int i = 0; i < servedPages; i++) {
                        report.refused(label, where, message);
                    }
                    return;
                }
                case Answer.Pages(byte[] bytes) -> served = bytes;
            }
            if (served.length != servedPages * Page.SIZE) {
                report.missing(
                        label,
                        where,
                        "keyspace says " + servedPages + " pages, the segment has " + served.length,
                        1);
            }
        }
        int pages = Math.max(postgres.length, served.length) / Page.SIZE;
        for (int i = 0; i < pages; i++) {
            byte[] a = slruPage(slru, segment, i, postgres);
            byte[] b = slruPage(slru, segment, i, served);
            int at = Arrays.mismatch(a, b);
            if (at < 0) {
                report.equal(label, false);
            } else {
                report.different(label, where + " page " + i, at, a, b, false);
            }
        }
    }

    /** Page {@code i} of a segment; beyond its end never used, that is zero. */
    private byte[] slruPage(Slru slru, int segment, int i, byte[] pages) {
        int from = i * Page.SIZE;
        byte[] page =
                from + Page.SIZE <= pages.length
                        ? Arrays.copyOfRange(pages, from, from + Page.SIZE)
                        : new byte[Page.SIZE];
        if (slru == Slru.MULTIXACT_OFFSETS) {
            long start =
                    ((segment & 0xFFFF_FFFFL) * Slru.PAGES_PER_SEGMENT + i) * Slru.OFFSETS_PER_PAGE;
            long past = (disk.nextMulti() & 0xFFFF_FFFFL) - start;
            Arrays.fill(page, Math.clamp(past * 4, 0, Page.SIZE), Page.SIZE, (byte) 0);
        }
        return page;
    }
}
