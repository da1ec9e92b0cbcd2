package io.palimpsest.server.http;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.http.ManagementRoutes.Answer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What was answered to requests that had an {@code Idempotency-Key}: who asks again by the same
 * key, because he does not know whether the first time came through, gets the same answer, and
 * nothing is done twice. Only what was done is remembered, for a day and up to so many; after a
 * restart nothing is, but a branch whose id came of its key is found again (decision 0126).
 */
final class IdempotencyKeys {
    private static final int REMEMBERED = 10_000;
    private static final long NANOS = TimeUnit.DAYS.toNanos(1);
    private static final int LONGEST = 255;
    private static final int UNPROCESSABLE = 422;

    /** A request by its key; no answer: it goes on. */
    private static final class Asked {
        final byte[] fingerprint;
        final long nanos;
        @Nullable Answer answer;

        Asked(byte[] fingerprint, long nanos) {
            this.fingerprint = fingerprint;
            this.nanos = nanos;
        }
    }

    private final Map<String, Asked> byKey = new LinkedHashMap<>();

    /** The key of a request, checked; null if it has none. */
    static @Nullable String checked(@Nullable String key) {
        if (key != null && (key.isBlank() || key.length() > LONGEST)) {
            throw PageserverException.badRequest(
                    "the Idempotency-Key has %d characters, expected 1 to %d, not all blank",
                    key.length(), LONGEST);
        }
        return key;
    }

    /**
     * Does the work, unless it was done.
     *
     * @param scope whose key it is
     * @param request all that says what is asked for
     */
    Answer answer(String scope, String key, byte[] request, Supplier<Answer> work) {
        String name = scope + " " + key;
        byte[] fingerprint = sha256(request);
        Asked mine = new Asked(fingerprint, System.nanoTime());
        synchronized (byKey) {
            forgetOld(mine.nanos);
            Asked before = byKey.putIfAbsent(name, mine);
            if (before != null) {
                return again(before, fingerprint);
            }
        }
        Answer answer = null;
        try {
            answer = work.get();
            return answer;
        } finally {
            synchronized (byKey) {
                mine.answer = answer;
                if (answer == null || answer.status() / 100 != 2) {
                    // It was not done: the next one may do it.
                    byKey.remove(name, mine);
                }
            }
        }
    }

    private static Answer again(Asked before, byte[] fingerprint) {
        if (!Arrays.equals(before.fingerprint, fingerprint)) {
            return otherRequest();
        }
        Answer answer = before.answer;
        if (answer == null) {
            throw PageserverException.of(
                    ErrorCode.CONFLICT, "a request with this Idempotency-Key goes on; ask again");
        }
        return answer;
    }

    static Answer otherRequest() {
        return ManagementRoutes.failure(
                UNPROCESSABLE,
                "this Idempotency-Key was for another request: each needs one of its own");
    }

    /** They are in the order in which they came. */
    private void forgetOld(long now) {
        var oldest = byKey.values().iterator();
        while (oldest.hasNext()) {
            Asked asked = oldest.next();
            boolean old = now - asked.nanos > NANOS || byKey.size() >= REMEMBERED;
            if (asked.answer == null || !old) {
                return;
            }
            oldest.remove();
        }
    }

    static byte[] sha256(byte[]... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (byte[] part : parts) {
                digest.update(part);
                digest.update((byte) 0);
            }
            return digest.digest();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
