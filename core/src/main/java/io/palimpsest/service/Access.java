package io.palimpsest.service;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import org.jspecify.annotations.Nullable;

/**
 * What a client may reach, by what it has shown.
 *
 * @param tenant all of this tenant's and nothing else; null: everything
 */
public record Access(@Nullable TenantId tenant) {
    /** Everything: also that of the server as a whole. */
    public static final Access EVERYTHING = new Access(null);

    /**
     * Is this tenant's data his to reach?
     *
     * @throws PageserverException FORBIDDEN; which tenant he may reach is not said
     */
    public void toTenant(TenantId wanted) {
        if (tenant != null && !tenant.equals(wanted)) {
            throw PageserverException.of(
                    ErrorCode.FORBIDDEN, "the token is not for tenant %s", wanted);
        }
    }

    /**
     * Is the server as a whole his to reach?
     *
     * @throws PageserverException FORBIDDEN
     */
    public void toServer() {
        if (tenant != null) {
            throw PageserverException.of(
                    ErrorCode.FORBIDDEN, "the token is for one tenant, not for the server");
        }
    }
}
