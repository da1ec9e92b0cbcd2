package io.palimpsest.port;

import java.util.Locale;

/**
 * Each thing that is told in the log, with a code that never changes and is never given twice: what
 * people search for, alert on and look up (docs/events.md says what each means and what to do).
 *
 * <pre>
 *   1xxx  the process and its configuration     5xxx  the object store
 *   2xxx  sources and their WAL                 6xxx  the page service
 *   3xxx  tenants, timelines, branches          7xxx  the management API
 *   4xxx  the disk, compaction, collection      9xxx  what is damaged
 * </pre>
 *
 * An event that is gone leaves its code unused. Its name is its word, which may be read by machines
 * too: it stays as well.
 */
public enum Event {
    SERVER_READY(1001, Level.INFO),
    SERVER_STOPPING(1002, Level.INFO),
    SERVER_STOPPED(1003, Level.INFO),
    REDO_CONFIGURED(1010, Level.INFO),
    REDO_PROCESS_STARTED(1011, Level.INFO),
    REDO_PROCESS_SAID(1012, Level.WARN),
    REDO_PROCESS_FAILED(1013, Level.WARN),
    CERTIFICATE_READ_AGAIN(1020, Level.INFO),
    CERTIFICATE_UNUSABLE(1021, Level.WARN),
    TASK_FAILED(1090, Level.ERROR),
    /** A library that we use has said something. */
    LIBRARY_SAID(1099, Level.WARN),

    WALRECEIVER_STREAMING(2001, Level.INFO),
    WALRECEIVER_WAITING(2002, Level.INFO),
    WALRECEIVER_BROKEN(2003, Level.ERROR),
    WAL_TIMELINE_SWITCHED(2004, Level.INFO),
    WAL_SOURCE_DAMAGED(2005, Level.ERROR),
    WALRECEIVER_PAUSED(2006, Level.WARN),
    WALRECEIVER_RESUMED(2007, Level.INFO),
    WAL_IMPORTED(2010, Level.INFO),
    IMPORT_STARTED(2020, Level.INFO),
    IMPORT_PROGRESS(2021, Level.INFO),
    IMPORT_FINISHED(2022, Level.INFO),
    IMPORT_UNFINISHED(2023, Level.WARN),
    IMPORT_LEFT_IN_STORE(2024, Level.WARN),
    IMPORT_WITHOUT_NAME(2025, Level.WARN),
    SLOT_LEFT_BEHIND(2030, Level.ERROR),
    WAL_WAITS_FOR_STORE(2040, Level.INFO),
    WAL_GOES_ON_WITHOUT_STORE(2041, Level.WARN),

    TENANT_ATTACHED(3001, Level.INFO),
    ATTACHING_FAILED(3002, Level.ERROR),
    TENANT_FENCED(3003, Level.ERROR),
    LOCATION_CHANGED(3004, Level.INFO),
    LOCATION_DAMAGED(3005, Level.ERROR),
    TENANT_CONFIGURED(3006, Level.INFO),
    OWNERSHIP_UNKNOWN(3007, Level.WARN),
    TIMELINE_ARCHIVED(3010, Level.INFO),
    TIMELINE_UNARCHIVED(3011, Level.INFO),
    TIMELINE_DETACHED(3012, Level.INFO),
    TIMELINE_DELETED(3013, Level.INFO),
    TIMELINE_STOPPED(3014, Level.ERROR),
    TIMELINE_NOT_IN_STORE(3015, Level.WARN),
    DELETION_UNFINISHED(3016, Level.ERROR),
    UNFINISHED_CREATION_DELETED(3017, Level.INFO),
    TIMELINE_REPARENTED(3018, Level.INFO),
    BRANCH_EXPIRED(3020, Level.INFO),
    BRANCH_EXPIRY_FAILED(3021, Level.WARN),
    BRANCH_EXPIRY_STOPPED(3022, Level.INFO),
    PINS_ENDED(3023, Level.INFO),
    PINS_NOT_ENDED(3024, Level.WARN),
    LEASE_GRANTED(3030, Level.INFO),
    LEASE_DROPPED(3031, Level.INFO),
    TENANT_DELETION_BEGUN(3040, Level.INFO),
    TENANT_DELETED(3041, Level.INFO),
    TENANT_DELETION_FAILED(3042, Level.WARN),
    OPERATION_RESUMED(3050, Level.INFO),
    OPERATION_NOT_RESUMED(3051, Level.WARN),
    INTENT_NOT_ENDED(3052, Level.WARN),
    INTENT_DAMAGED(3053, Level.ERROR),

    L0_MERGED(4001, Level.INFO),
    L0_MERGED_AT_REST(4002, Level.INFO),
    IMAGES_CREATED(4003, Level.INFO),
    HISTORY_DROPPED(4004, Level.INFO),
    COMPACTION_GAVE_WAY(4005, Level.INFO),
    COMPACTION_FAILED(4006, Level.WARN),
    COMPACTION_BROKEN(4007, Level.ERROR),
    CUTOFF_ADVANCED(4010, Level.INFO),
    LAYERS_COLLECTED(4011, Level.INFO),
    COLLECTION_BLOCKED(4012, Level.WARN),
    FLUSH_FAILED(4020, Level.WARN),
    FLUSH_AT_STOP_FAILED(4021, Level.WARN),
    FLUSH_AT_END_FAILED(4022, Level.ERROR),
    DISK_FULL(4030, Level.ERROR),
    DISK_FULL_OVER(4031, Level.INFO),
    DISK_PRESSURE(4032, Level.WARN),
    LAYERS_EVICTED(4033, Level.INFO),
    EVICTION_FAILED(4034, Level.WARN),
    ORPHAN_DELETED(4040, Level.INFO),
    GARBAGE_LEFT(4041, Level.WARN),
    NOT_OURS(4042, Level.WARN),
    /** Told only where somebody looks for it: a read met a layer that was just replaced. */
    READ_RETRIED(4050, Level.DEBUG),

    STORE_CONNECTED(5001, Level.INFO),
    STORE_HAS_TENANTS(5002, Level.INFO),
    STORE_NOT_LISTED(5003, Level.WARN),
    STORE_RETRY(5004, Level.WARN),
    STORE_NOT_ATOMIC(5005, Level.ERROR),
    STORE_NOT_KNOWN(5006, Level.WARN),
    UPLOAD_FAILED(5010, Level.WARN),
    UPLOADS_LEFT(5011, Level.WARN),
    LAYER_FETCHED(5020, Level.INFO),
    LAYER_READ_AWAY(5021, Level.INFO),
    DOWNLOAD_FAILED(5022, Level.WARN),
    WARM_UP_ENDED(5023, Level.INFO),
    WARM_UP_FAILED(5024, Level.WARN),
    STORE_GARBAGE_DELETED(5030, Level.INFO),
    INDEX_FROM_DISK(5040, Level.WARN),
    INDEX_FROM_STORE(5041, Level.WARN),
    HEATMAP_PUT(5050, Level.INFO),
    HEATMAP_FAILED(5051, Level.WARN),
    SECONDARY_READY(5052, Level.INFO),
    SECONDARY_FAILED(5053, Level.WARN),
    SECONDARY_LAYER_FAILED(5054, Level.WARN),

    CLIENT_TURNED_AWAY(6001, Level.WARN),

    REQUEST_FAILED(7001, Level.ERROR),

    TIMELINE_BROKEN(9001, Level.ERROR),
    LAYER_DAMAGED(9002, Level.ERROR),
    LAYER_MISSING(9003, Level.ERROR),
    REDO_ENGINES_DIFFER(9010, Level.ERROR);

    public enum Level {
        DEBUG,
        INFO,
        WARN,
        ERROR
    }

    private final int number;
    private final Level level;
    private final String word;

    Event(int number, Level level) {
        this.number = number;
        this.level = level;
        this.word = name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** As in {@code PAL-2003}. */
    public String code() {
        return "PAL-" + number;
    }

    /** As in {@code walreceiver-broken}. */
    public String word() {
        return word;
    }

    public Level level() {
        return level;
    }
}
