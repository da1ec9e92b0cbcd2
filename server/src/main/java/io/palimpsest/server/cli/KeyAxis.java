package io.palimpsest.server.cli;

import io.palimpsest.base.Key;
import io.palimpsest.base.KeyRange;
import io.palimpsest.value.Keys;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;

/**
 * Keys on a line of length 1, in their order. The key space is nearly empty, so distances are not
 * to scale: between two borders of layers lies a stretch that is longer the more blocks it can
 * hold, but only slowly so, and stretches in which no layer lies are short.
 */
final class KeyAxis {
    /** Where a relation begins, or a kind of key. */
    record Label(double at, String text) {}

    private static final double EMPTY = 0.3;
    private static final double ACROSS = 3;

    private final List<Key> borders;
    private final double[] at;

    /**
     * @param ranges of the layers; those over all keys do not count
     */
    KeyAxis(Collection<KeyRange> ranges) {
        List<KeyRange> narrow = ranges.stream().filter(r -> !r.equals(KeyRange.ALL)).toList();
        TreeSet<Key> all = new TreeSet<>();
        narrow.forEach(r -> {
            all.add(r.start());
            all.add(r.end());
        });
        borders = new ArrayList<>(all);
        at = new double[borders.size()];
        for (int i = 1; i < at.length; i++) {
            at[i] = at[i - 1] + width(narrow, borders.get(i - 1), borders.get(i));
        }
        double length = at.length == 0 ? 1 : at[at.length - 1];
        for (int i = 0; i < at.length; i++) {
            at[i] /= length;
        }
    }

    private static double width(List<KeyRange> ranges, Key from, Key to) {
        if (ranges.stream().noneMatch(r -> r.contains(from.hi(), from.mid(), from.lo()))) {
            return EMPTY;
        }
        boolean sameFork =
                from.hi() == to.hi() && from.mid() == to.mid() && from.field5() == to.field5();
        double blocks = Integer.toUnsignedLong(to.field6()) - Integer.toUnsignedLong(from.field6());
        return sameFork ? 1 + Math.log(1 + Math.max(0, blocks)) / Math.log(4) : ACROSS;
    }

    /** Where a key stands: 0 for those before the first layer, 1 for those after the last. */
    double at(Key key) {
        int low = 0;
        int high = at.length - 1;
        while (low <= high) {
            int i = low + high >>> 1;
            if (borders.get(i).compareTo(key) <= 0) {
                low = i + 1;
            } else {
                high = i - 1;
            }
        }
        return high < 0 ? 0 : at[high];
    }

    double end(Key key) {
        return borders.isEmpty() || key.compareTo(borders.getLast()) > 0 ? 1 : at(key);
    }

    /** Names at the places where another relation or kind of key begins. */
    List<Label> labels() {
        List<Label> labels = new ArrayList<>();
        String last = "";
        for (int i = 0; i + 1 < borders.size(); i++) {
            String text = name(borders.get(i));
            if (!text.equals(last)) {
                labels.add(new Label(at[i], text));
                last = text;
            }
        }
        return labels;
    }

    private static String name(Key key) {
        if (key.equals(Key.MIN)) {
            return "the first";
        }
        return switch (key.kind()) {
            case Keys.REL_BLOCK -> Keys.relation(key).toString();
            case Keys.SLRU_BLOCK -> "SLRU pages";
            default -> "directories";
        };
    }
}
