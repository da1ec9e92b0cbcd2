package io.palimpsest.timeline;

/** Background work that has the machine to itself. */
final class Unhurried implements Pace {
    static final Pace PACE = new Unhurried();

    private Unhurried() {}

    @Override
    public void spent(long bytes) {}

    @Override
    public boolean giveWay() {
        return false;
    }
}
