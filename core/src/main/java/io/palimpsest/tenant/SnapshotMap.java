package io.palimpsest.tenant;

import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A sorted map that never changes: with or without a key it is another one, which shares all but a
 * few nodes with it. So who has one needs no lock, and changing one of ten thousand entries is as
 * cheap as finding it. A tree balanced by weight: of two siblings none has more than three times
 * the nodes of the other.
 */
final class SnapshotMap<K extends Comparable<K>, V> {
    private static final int HEAVIER = 3;
    private static final int SINGLE = 2;

    private record Node<K, V>(
            K key, V value, @Nullable Node<K, V> left, @Nullable Node<K, V> right, int size) {}

    private final @Nullable Node<K, V> root;

    private SnapshotMap(@Nullable Node<K, V> root) {
        this.root = root;
    }

    static <K extends Comparable<K>, V> SnapshotMap<K, V> empty() {
        return new SnapshotMap<>(null);
    }

    @Nullable V get(K key) {
        Node<K, V> n = root;
        while (n != null) {
            int c = key.compareTo(n.key);
            if (c == 0) {
                return n.value;
            }
            n = c < 0 ? n.left : n.right;
        }
        return null;
    }

    int size() {
        return size(root);
    }

    /** Nodes on the longest way down: about twice the logarithm of the size, at most. */
    int depth() {
        return depth(root);
    }

    private static int depth(@Nullable Node<?, ?> n) {
        return n == null ? 0 : 1 + Math.max(depth(n.left), depth(n.right));
    }

    SnapshotMap<K, V> with(K key, V value) {
        return new SnapshotMap<>(put(root, key, value));
    }

    SnapshotMap<K, V> without(K key) {
        return new SnapshotMap<>(remove(root, key));
    }

    /** In order of the keys. */
    void forEach(BiConsumer<? super K, ? super V> action) {
        forEach(root, action);
    }

    private static <K, V> void forEach(
            @Nullable Node<K, V> n, BiConsumer<? super K, ? super V> action) {
        if (n != null) {
            forEach(n.left, action);
            action.accept(n.key, n.value);
            forEach(n.right, action);
        }
    }

    private static int size(@Nullable Node<?, ?> n) {
        return n == null ? 0 : n.size;
    }

    private static <K extends Comparable<K>, V> Node<K, V> put(
            @Nullable Node<K, V> n, K key, V value) {
        if (n == null) {
            return new Node<>(key, value, null, null, 1);
        }
        int c = key.compareTo(n.key);
        if (c == 0) {
            return new Node<>(key, value, n.left, n.right, n.size);
        }
        return c < 0
                ? balanced(n, put(n.left, key, value), n.right)
                : balanced(n, n.left, put(n.right, key, value));
    }

    private static <K extends Comparable<K>, V> @Nullable Node<K, V> remove(
            @Nullable Node<K, V> n, K key) {
        if (n == null) {
            return null;
        }
        int c = key.compareTo(n.key);
        if (c != 0) {
            return c < 0
                    ? balanced(n, remove(n.left, key), n.right)
                    : balanced(n, n.left, remove(n.right, key));
        }
        if (n.left == null || n.right == null) {
            return n.left == null ? n.right : n.left;
        }
        Node<K, V> next = n.right;
        while (next.left != null) {
            next = next.left;
        }
        return balanced(next, n.left, remove(n.right, next.key));
    }

    private static <K, V> Node<K, V> node(
            Node<K, V> of, @Nullable Node<K, V> left, @Nullable Node<K, V> right) {
        return new Node<>(of.key, of.value, left, right, size(left) + size(right) + 1);
    }

    /** A node of this key over two trees, one of which has had a node more or less. */
    private static <K, V> Node<K, V> balanced(
            Node<K, V> of, @Nullable Node<K, V> left, @Nullable Node<K, V> right) {
        int l = size(left);
        int r = size(right);
        if (l + r > 1 && right != null && r > HEAVIER * l) {
            Node<K, V> inner = right.left;
            return inner == null || inner.size < SINGLE * size(right.right)
                    ? node(right, node(of, left, inner), right.right)
                    : node(
                            inner,
                            node(of, left, inner.left),
                            node(right, inner.right, right.right));
        }
        if (l + r > 1 && left != null && l > HEAVIER * r) {
            Node<K, V> inner = left.right;
            return inner == null || inner.size < SINGLE * size(left.left)
                    ? node(left, left.left, node(of, inner, right))
                    : node(inner, node(left, left.left, inner.left), node(of, inner.right, right));
        }
        return node(of, left, right);
    }
}
