package io.palimpsest.regress.bench;

import io.palimpsest.base.ByteSink;
import io.palimpsest.fixtures.RecordedWal;
import io.palimpsest.layer.Reconstruction;
import io.palimpsest.pg.Page;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.pg.RelTag;
import io.palimpsest.redo.PageRedo;
import io.palimpsest.redo.RecordAssembly;
import io.palimpsest.redo.RedoContext;
import io.palimpsest.value.Keys;
import io.palimpsest.value.RecordSlice;
import io.palimpsest.value.StoredValue;
import io.palimpsest.wal.WalDecoder;
import io.palimpsest.wal.WalRecord;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Pages with the records that were written to them in a recorded section: a base image, then so and
 * so many records in a row of which none starts the page anew.
 *
 * @param records records a chain
 * @param chains the chains
 * @param requestBytes what the mean one is as a request to a redo process
 */
record RedoChains(int records, List<Reconstruction> chains, int requestBytes) {
    private record Block(RelTag tag, int number) {}

    private record Step(long lsn, byte[] value) {}

    /** A page as it grows, and its chain so far. */
    private static final class Growing {
        byte[] base = new byte[Page.SIZE];
        final byte[] page = new byte[Page.SIZE];
        final List<Step> steps = new ArrayList<>();
    }

    static RedoChains of(RecordedWal wal, int records, int most) {
        PgVersion version = PgVersion.ofMajor(wal.major());
        WalDecoder decoder =
                new WalDecoder(
                        version,
                        wal.startLsn(),
                        wal.segmentSize(),
                        wal.systemIdentifier(),
                        1 << 30);
        PageRedo redo = new PageRedo(new RedoContext(version, wal.hintBitsLogged()));
        Map<Block, Growing> pages = new LinkedHashMap<>();
        List<Reconstruction> chains = new ArrayList<>();
        RecordAssembly assembly = new RecordAssembly(version);
        long bytes = 0;
        decoder.feed(wal.bytes(), 0, wal.bytes().length);
        WalRecord r = new WalRecord();
        ByteSink out = new ByteSink(Page.SIZE);
        while (chains.size() < most && decoder.next(r)) {
            for (int i = 0; i < r.blockCount(); i++) {
                if (r.fork(i) != RelTag.MAIN) {
                    continue;
                }
                Block block =
                        new Block(
                                new RelTag(r.spc(i), r.db(i), r.rel(i), RelTag.MAIN),
                                r.blockNumber(i));
                out.clear();
                StoredValue.record(out, r, i);
                boolean initial = StoredValue.isInitial(out.array(), 0);
                Growing g =
                        initial
                                ? pages.computeIfAbsent(block, k -> new Growing())
                                : pages.get(block);
                if (g == null) {
                    continue;
                }
                redo.apply(g.page, out.array(), 0, out.size(), r.endLsn());
                if (initial) {
                    g.base = g.page.clone();
                    g.steps.clear();
                    continue;
                }
                g.steps.add(new Step(r.endLsn(), out.toByteArray()));
                if (g.steps.size() == records) {
                    Reconstruction chain = chain(block, g);
                    chains.add(chain);
                    bytes += requestBytes(chain, assembly);
                    g.base = g.page.clone();
                    g.steps.clear();
                }
            }
        }
        if (chains.isEmpty()) {
            throw new IllegalStateException("no chain of " + records + " records in " + wal);
        }
        return new RedoChains(records, chains, (int) (bytes / chains.size()));
    }

    private static Reconstruction chain(Block block, Growing g) {
        Reconstruction chain = new Reconstruction();
        var key = Keys.block(block.tag(), block.number());
        chain.reset(key.hi(), key.mid(), key.lo(), g.steps.getLast().lsn);
        for (Step step : g.steps.reversed()) {
            chain.add(step.lsn, step.value, 0, step.value.length);
        }
        ByteSink image = new ByteSink(Page.SIZE + 1);
        StoredValue.image(image, g.base, 0, Page.SIZE);
        chain.add(g.steps.getFirst().lsn - 1, image.array(), 0, image.size());
        return chain;
    }

    /** Messages B, P, A for each record, G. */
    private static int requestBytes(Reconstruction chain, RecordAssembly assembly) {
        int bytes = 8 + 24 + 8 + Page.SIZE + 8;
        RecordSlice slice = new RecordSlice();
        ByteSink out = new ByteSink(1024);
        for (int i = 0; i < chain.count() - 1; i++) {
            out.clear();
            slice.wrap(chain.bytes(), chain.offset(i), chain.length(i), chain.lsn(i));
            assembly.append(out, slice, 1, 2, 3);
            bytes += 8 + 8 + (out.size() + 7 & ~7);
        }
        return bytes;
    }
}
