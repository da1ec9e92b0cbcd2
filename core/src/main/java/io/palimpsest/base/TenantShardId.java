package io.palimpsest.base;

import java.util.Locale;

/**
 * One shard of a tenant. Unsharded tenants have count 0. Text: the tenant id, and for count &gt; 0
 * a dash and two digits each of number and count: {@code <32 hex>-0104} is shard 1 of 4.
 */
public record TenantShardId(TenantId tenant, int number, int count)
        implements Comparable<TenantShardId> {
    public TenantShardId {
        Check.that(
                number >= 0
                        && count >= 0
                        && count <= 255
                        && (number < count || number == 0 && count == 0),
                "shard %d of %d",
                number,
                count);
    }

    public static TenantShardId unsharded(TenantId tenant) {
        return new TenantShardId(tenant, 0, 0);
    }

    public static TenantShardId parse(String text) {
        if (text.length() != 37 || text.charAt(32) != '-') {
            return unsharded(TenantId.parse(text));
        }
        TenantId tenant = TenantId.parse(text.substring(0, 32));
        try {
            int number = Integer.parseInt(text, 33, 35, 16);
            int count = Integer.parseInt(text, 35, 37, 16);
            if (number >= 0 && number < count) {
                return new TenantShardId(tenant, number, count);
            }
        } catch (NumberFormatException e) {
            // falls through to the one error below
        }
        throw PageserverException.badRequest(
                "'%s' is no tenant shard id: expected <32 hex>-<NNCC>", text);
    }

    @Override
    public int compareTo(TenantShardId o) {
        int c = tenant.compareTo(o.tenant);
        c = c != 0 ? c : Integer.compare(count, o.count);
        return c != 0 ? c : Integer.compare(number, o.number);
    }

    @Override
    public String toString() {
        return count == 0
                ? tenant.toString()
                : String.format(Locale.ROOT, "%s-%02x%02x", tenant, number, count);
    }
}
