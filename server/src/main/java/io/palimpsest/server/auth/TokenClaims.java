package io.palimpsest.server.auth;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.TenantId;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What a token says of itself, for whom it belongs to; nobody has looked at who signed it.
 *
 * @param tenant as it says, if that is the id of one
 * @param notBefore null: from ever
 * @param expires null: never
 */
public record TokenClaims(
        String scope,
        @Nullable String tenant,
        @Nullable Instant notBefore,
        @Nullable Instant expires) {
    /**
     * Reads them.
     *
     * @throws io.palimpsest.base.PageserverException UNAUTHORIZED if it is no token; nothing of it
     *     is repeated
     */
    public static TokenClaims of(String token) {
        JsonNode claims = Tokens.claims(token);
        String scope = claims.path("scope").asText();
        Long expires = Tokens.seconds(claims, "exp");
        Long begins = Tokens.seconds(claims, "nbf");
        TenantId tenant = scope.equals("tenant") ? Tokens.tenant(claims) : null;
        return new TokenClaims(
                scope.matches("[a-z_]{1,40}") ? scope : "unknown",
                tenant == null ? null : tenant.toString(),
                begins == null ? null : Instant.ofEpochSecond(begins),
                expires == null ? null : Instant.ofEpochSecond(expires));
    }

    /**
     * Why a server would not take it at that moment; empty: it would, if one of its keys signed.
     */
    public String problem(Instant now) {
        if (!scope.equals("tenant") && !scope.equals("pageserverapi")) {
            return "it is for another purpose, expected scope 'tenant' or 'pageserverapi'";
        }
        if (expires != null && expires.isBefore(now.minusSeconds(Tokens.LEEWAY_SECONDS))) {
            return "it expired at " + expires;
        }
        if (notBefore != null && notBefore.isAfter(now.plusSeconds(Tokens.LEEWAY_SECONDS))) {
            return "it is valid from " + notBefore;
        }
        return "";
    }
}
