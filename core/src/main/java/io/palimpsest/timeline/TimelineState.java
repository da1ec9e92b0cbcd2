package io.palimpsest.timeline;

/** What a timeline's owner has made of it; kept in its index. */
public sealed interface TimelineState {
    TimelineState ACTIVE = new Active();
    TimelineState DELETING = new Deleting();

    /** It is read and written. */
    record Active() implements TimelineState {}

    /**
     * It is kept, but neither read nor written.
     *
     * @param sinceMillis when that began, milliseconds since 1970
     */
    record Archived(long sinceMillis) implements TimelineState {}

    /** It is gone for everybody; what is left of its files is being deleted. */
    record Deleting() implements TimelineState {}
}
