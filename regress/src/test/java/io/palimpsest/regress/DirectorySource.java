package io.palimpsest.regress;

import io.palimpsest.pg.Page;
import io.palimpsest.pg.RelTag;
import io.palimpsest.pg.Slru;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiFunction;

/** A data directory as if a page server served it; answers can be tampered with. */
final class DirectorySource implements PageSource {
    private final DataDirectory files;
    BiFunction<RelTag, byte[], Answer> page = (tag, bytes) -> new Answer.Pages(bytes);
    BiFunction<Slru, byte[], Answer> segment = (slru, bytes) -> new Answer.Pages(bytes);

    DirectorySource(DataDirectory files) {
        this.files = files;
    }

    @Override
    public Keyspace keyspace(long lsn) {
        List<Segment> segments = new ArrayList<>();
        for (Slru slru : Slru.values()) {
            files.slru(slru)
                    .forEach((n, bytes) ->
                            segments.add(new Segment(slru, n, bytes.length / Page.SIZE)));
        }
        return new Keyspace(files.forks(), segments);
    }

    @Override
    public List<Answer> pages(RelTag tag, int first, int count, long lsn) {
        byte[] all = files.read(tag, first, count);
        List<Answer> answers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            answers.add(
                    page.apply(tag, Arrays.copyOfRange(all, i * Page.SIZE, (i + 1) * Page.SIZE)));
        }
        return answers;
    }

    @Override
    public Answer slruSegment(Slru slru, int number, long lsn) {
        byte[] bytes = files.slru(slru).get(number);
        return bytes == null
                ? new Answer.Refused("no segment")
                : segment.apply(slru, bytes.clone());
    }
}
