package io.palimpsest.regress;

/** Waiting for a moment, in programs whose threads nobody interrupts but to end them. */
public final class Pause {
    private Pause() {}

    public static void millis(long milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }
}
