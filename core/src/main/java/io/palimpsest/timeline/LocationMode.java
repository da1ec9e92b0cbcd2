package io.palimpsest.timeline;

import io.palimpsest.base.PageserverException;

/** What a server is to a tenant. The names are the field's. */
public enum LocationMode {
    /**
     * It owns the tenant: all goes to the store, and what is not needed any more goes from there.
     */
    ATTACHED_SINGLE("AttachedSingle"),
    /** It owns the tenant, but deletes nothing: a former owner may still be read at. */
    ATTACHED_MULTI("AttachedMulti"),
    /** It takes WAL in and is read, but leaves the store to somebody else. */
    ATTACHED_STALE("AttachedStale"),
    /** It keeps layers ready, and serves nothing. */
    SECONDARY("Secondary"),
    /** It has nothing of the tenant. */
    DETACHED("Detached"),
    /** What it has of the tenant goes, here and in the store; nobody asks for that by a mode. */
    DELETING("Deleting");

    private final String text;

    LocationMode(String text) {
        this.text = text;
    }

    /** BAD_REQUEST if no mode is called so. */
    public static LocationMode parse(String text) {
        for (LocationMode mode : values()) {
            if (mode.text.equals(text) && mode != DELETING) {
                return mode;
            }
        }
        throw PageserverException.badRequest(
                "the mode is '%s', expected AttachedSingle, AttachedMulti, AttachedStale, Secondary or Detached",
                text);
    }

    /** Are timelines open, and read? */
    public boolean attached() {
        return owns() || this == ATTACHED_STALE;
    }

    /** May objects be put? */
    public boolean owns() {
        return this == ATTACHED_SINGLE || this == ATTACHED_MULTI;
    }

    /** May objects be deleted that this server does not need any more? */
    public boolean deletes() {
        return this == ATTACHED_SINGLE;
    }

    @Override
    public String toString() {
        return text;
    }
}
