package io.palimpsest.pg;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.palimpsest.base.PageserverException;
import io.palimpsest.base.Prng;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.jspecify.annotations.Nullable;

/**
 * A page against two naive lists: items by number, and items by place from the special area down.
 */
class PageItemsTest {
    /** An item is known by identity; its bytes may be replaced. */
    private static final class Item {
        byte[] bytes;

        Item(byte[] bytes) {
            this.bytes = bytes;
        }
    }

    private static final class Model {
        final byte[] page = new byte[Page.SIZE];
        final List<@Nullable Item> numbered = new ArrayList<>();
        final List<Item> placed = new ArrayList<>();
        final Prng random;
        final int specialSize;

        Model(long seed) {
            random = new Prng(seed);
            specialSize = random.nextInt(3) * 8;
            Page.init(page, specialSize);
        }

        int free() {
            return Page.upper(page) - Page.lower(page);
        }

        byte[] someBytes() {
            byte[] b = new byte[1 + random.nextInt(random.oneIn(10) ? 1500 : 80)];
            random.nextBytes(b, 0, b.length);
            return b;
        }

        int pick() {
            return 1 + random.nextInt(numbered.size());
        }

        /** Every line pointer and every item is where the lists say. */
        void check() {
            int max = numbered.size();
            assertEquals(max, Page.maxOffset(page));
            int[] expected = new int[max];
            int upper = Page.SIZE - specialSize;
            for (Item item : placed) {
                upper -= Page.maxAlign(item.bytes.length);
                int number = numbered.indexOf(item);
                expected[number] = Page.linePointer(upper, Page.LP_NORMAL, item.bytes.length);
                assertArrayEquals(
                        item.bytes, Arrays.copyOfRange(page, upper, upper + item.bytes.length));
            }
            for (int i = 0; i < max; i++) {
                assertEquals(expected[i], Page.linePointer(page, i + 1));
            }
            assertEquals(upper, Page.upper(page));
        }

        void insert() {
            byte[] b = someBytes();
            int offset = 1 + random.nextInt(numbered.size() + 1);
            if (free() < Page.maxAlign(b.length) + 4) {
                assertThrows(
                        PageserverException.class,
                        () -> PageItems.insert(page, offset, b, 0, b.length));
                return;
            }
            PageItems.insert(page, offset, b, 0, b.length);
            Item item = new Item(b);
            numbered.add(offset - 1, item);
            placed.add(item);
        }

        void delete() {
            int offset = pick();
            PageItems.delete(page, offset);
            placed.remove(numbered.remove(offset - 1));
        }

        void deleteMany() {
            int[] offsets = new int[numbered.size()];
            int count = 0;
            for (int i = 1; i <= numbered.size(); i++) {
                if (random.oneIn(4)) {
                    offsets[count++] = i;
                }
            }
            PageItems.deleteMany(page, offsets, count, new byte[Page.SIZE]);
            for (int i = count - 1; i >= 0; i--) {
                placed.remove(numbered.remove(offsets[i] - 1));
            }
            if (count > 2) {
                placed.clear();
                placed.addAll(numbered);
            }
        }

        void overwrite() {
            int offset = pick();
            Item item = numbered.get(offset - 1);
            if (item == null) {
                assertThrows(
                        PageserverException.class,
                        () -> PageItems.overwrite(page, offset, new byte[8], 0, 8));
                return;
            }
            byte[] b = someBytes();
            int room = free() + Page.maxAlign(item.bytes.length);
            if (room < Page.maxAlign(b.length)) {
                assertThrows(
                        PageserverException.class,
                        () -> PageItems.overwrite(page, offset, b, 0, b.length));
                return;
            }
            PageItems.overwrite(page, offset, b, 0, b.length);
            item.bytes = b;
        }

        void insertOverwrite() {
            byte[] b = someBytes();
            int offset = 1 + random.nextInt(numbered.size() + 1);
            boolean append = offset > numbered.size();
            if (free() < Page.maxAlign(b.length) + (append ? 4 : 0)
                    || !append && numbered.get(offset - 1) != null) {
                assertThrows(
                        PageserverException.class,
                        () -> PageItems.insertOverwrite(page, offset, b, 0, b.length));
                return;
            }
            PageItems.insertOverwrite(page, offset, b, 0, b.length);
            Item item = new Item(b);
            if (append) {
                numbered.add(item);
            } else {
                numbered.set(offset - 1, item);
            }
            placed.add(item);
        }

        void deleteKeepNumbers() {
            int offset = pick();
            Item item = numbered.get(offset - 1);
            if (item == null) {
                assertThrows(
                        PageserverException.class, () -> PageItems.deleteKeepNumbers(page, offset));
                return;
            }
            PageItems.deleteKeepNumbers(page, offset);
            placed.remove(item);
            if (offset == numbered.size()) {
                numbered.removeLast();
            } else {
                numbered.set(offset - 1, null);
            }
        }

        void repair() {
            boolean truncate = random.nextBoolean();
            PageItems.repairFragmentation(page, truncate, new byte[Page.SIZE]);
            while (truncate && !numbered.isEmpty() && numbered.getLast() == null) {
                numbered.removeLast();
            }
            placed.clear();
            for (Item item : numbered) {
                if (item != null) {
                    placed.add(item);
                }
            }
            checkFreeLines();
        }

        void truncate() {
            PageItems.truncateLinePointers(page);
            while (numbered.size() > 1 && numbered.getLast() == null) {
                numbered.removeLast();
            }
            checkFreeLines();
        }

        private void checkFreeLines() {
            assertEquals(numbered.contains(null) ? Page.FLAG_HAS_FREE_LINES : 0, Page.flags(page));
        }
    }

    @Property(tries = 300)
    void indexPagesFollowTheModel(@ForAll long seed) {
        Model model = new Model(seed);
        for (int i = 0; i < 200; i++) {
            int what = model.numbered.isEmpty() ? 0 : model.random.nextInt(20);
            if (what < 11) {
                model.insert();
            } else if (what < 14) {
                model.delete();
            } else if (what < 19) {
                model.overwrite();
            } else {
                model.deleteMany();
            }
            model.check();
        }
    }

    @Property(tries = 300)
    void pagesWithFixedNumbersFollowTheModel(@ForAll long seed) {
        Model model = new Model(seed);
        for (int i = 0; i < 200; i++) {
            int what = model.numbered.isEmpty() ? 0 : model.random.nextInt(20);
            if (what < 10) {
                model.insertOverwrite();
            } else if (what < 15) {
                model.deleteKeepNumbers();
            } else if (what < 17) {
                model.overwrite();
            } else if (what < 19) {
                model.repair();
            } else {
                model.truncate();
            }
            model.check();
        }
    }
}
