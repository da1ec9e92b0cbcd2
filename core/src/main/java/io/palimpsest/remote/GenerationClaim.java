package io.palimpsest.remote;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Generation;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.port.Clock;
import io.palimpsest.port.Ids;
import io.palimpsest.port.ObjectStore;
import io.palimpsest.port.ObjectStore.Content;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * Who owns a tenant, decided by the store: generation n is claimed by making the object of manifest
 * n, which only one can. Generations follow each other without a gap, so that a generation is valid
 * as long as there is no manifest of the next one: one request tells, and it never lags, as a list
 * may.
 */
public final class GenerationClaim {
    private static final int LONGEST_MANIFEST = 1 << 28;

    private GenerationClaim() {}

    /**
     * A generation that is ours.
     *
     * @param manifest the bare claim
     * @param version of that object
     * @param before the newest manifest before it that is complete, read after the claim was made;
     *     null if there is none
     */
    public record Claim(TenantManifest manifest, String version, @Nullable TenantManifest before) {}

    /**
     * What there is of claims, seen without one: it may be another a moment later.
     *
     * @param claimed the newest generation; 0 if there is none
     * @param manifest the newest that is complete; null if there is none
     */
    public record Newest(int claimed, @Nullable TenantManifest manifest) {}

    /** Looks, and changes nothing. */
    public static Newest look(RemoteStore store, TenantShardId tenant) {
        int claimed = newest(store, tenant);
        return new Newest(claimed, completeUpTo(store, tenant, claimed));
    }

    /**
     * Takes the tenant over from whoever has it.
     *
     * @param wanted the generation, if somebody has given it out; else the next
     * @throws PageserverException CONFLICT if that is not the next one
     */
    public static Claim claim(
            RemoteStore store, TenantShardId tenant, OptionalInt wanted, Ids ids, Clock clock) {
        // What a list lags behind is found out by making the claim.
        int newest = wanted.isEmpty() ? listed(store, tenant) : newest(store, tenant);
        while (true) {
            if (wanted.orElse(newest + 1) != newest + 1) {
                throw PageserverException.of(
                        ErrorCode.CONFLICT,
                        "tenant %s cannot be attached under generation %d: the newest is %d, and the next is %d",
                        tenant,
                        wanted.getAsInt(),
                        newest,
                        newest + 1);
            }
            TenantManifest bare =
                    TenantManifest.bare(
                            tenant, new Generation(newest + 1), ids.nextLong(), clock.wallMillis());
            String key = RemotePath.manifest(tenant, bare.generation());
            try {
                String version = store.create(key, Content.of(bare.encode()));
                return new Claim(
                        bare, version, completeUpTo(store, tenant, bare.generation().value() - 1));
            } catch (PageserverException e) {
                if (e.code() != ErrorCode.CONFLICT) {
                    throw e;
                }
                newest++;
            }
        }
    }

    /** Is there no newer one? */
    public static boolean valid(RemoteStore store, TenantShardId tenant, Generation generation) {
        return !exists(store, tenant, generation.value() + 1);
    }

    /** The newest generation that was claimed; 0 if none was. */
    private static int newest(RemoteStore store, TenantShardId tenant) {
        int newest = listed(store, tenant);
        while (exists(store, tenant, newest + 1)) {
            newest++;
        }
        return newest;
    }

    /** The newest generation that a list shows, which may lag behind. */
    private static int listed(RemoteStore store, TenantShardId tenant) {
        int[] listed = {0};
        String prefix = RemotePath.manifests(tenant);
        store.listAll(
                prefix,
                false,
                page -> {
                    for (ObjectStore.Entry entry : page.objects()) {
                        try {
                            String number = entry.key().substring(prefix.length());
                            listed[0] = Math.max(listed[0], Integer.parseInt(number, 16));
                        } catch (NumberFormatException e) {
                            // not one of ours
                        }
                    }
                });
        return listed[0];
    }

    private static boolean exists(RemoteStore store, TenantShardId tenant, int generation) {
        return store.exists(RemotePath.manifest(tenant, new Generation(generation)));
    }

    private static @Nullable TenantManifest completeUpTo(
            RemoteStore store, TenantShardId tenant, int newest) {
        for (int g = newest; g > 0; g--) {
            TenantManifest found = read(store, tenant, new Generation(g));
            if (found.complete()) {
                return found;
            }
        }
        return null;
    }

    private static TenantManifest read(
            RemoteStore store, TenantShardId tenant, Generation generation) {
        String key = RemotePath.manifest(tenant, generation);
        for (int attempt = 1; ; attempt++) {
            try {
                TenantManifest found =
                        TenantManifest.decode(store.read(key, LONGEST_MANIFEST).bytes(), key);
                if (found.tenant().equals(tenant) && found.generation().equals(generation)) {
                    return found;
                }
                throw PageserverException.corruption(
                        "%s: expected its manifest, found that of tenant %s, generation %s",
                        key, found.tenant(), found.generation());
            } catch (PageserverException e) {
                if (e.code() == ErrorCode.NOT_FOUND) {
                    throw new PageserverException(
                            ErrorCode.CORRUPTION,
                            key
                                    + ": no such object, though a later generation was claimed; put it back from a copy",
                            e);
                }
                if (e.code() != ErrorCode.CORRUPTION || attempt == ObjectStore.READS) {
                    throw e;
                }
            }
        }
    }
}
