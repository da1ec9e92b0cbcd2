package io.palimpsest.service;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;

/** Whoever can name a tenant may reach it. */
final class TenantNames implements Authentication {
    static final TenantNames AS_TOKENS = new TenantNames();

    private TenantNames() {}

    @Override
    public boolean asksForToken() {
        return true;
    }

    @Override
    public Access check(String token) {
        try {
            return new Access(TenantId.parse(token));
        } catch (PageserverException e) {
            throw new PageserverException(ErrorCode.UNAUTHORIZED, "not this token", e);
        }
    }
}
