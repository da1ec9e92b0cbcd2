package io.palimpsest.server.auth;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.service.Access;
import io.palimpsest.service.Authentication;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.PublicKey;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Tokens as the field has them: JWTs (RFC 7519) signed with Ed25519 ({@code "alg": "EdDSA"}, RFC
 * 8037), which say what they are for.
 *
 * <pre>
 *   {"scope": "tenant", "tenant_id": "32 hex digits"}    all of that tenant's
 *   {"scope": "pageserverapi"}                           everything
 *   "exp", "nbf"                                         seconds since 1970; need not be there
 * </pre>
 *
 * Whatever scope else there is in the field is for others than a page server. No part of a token is
 * ever repeated in a message.
 */
public final class Tokens implements Authentication {
    /** Clocks differ by this much. */
    static final long LEEWAY_SECONDS = 60;

    /** Of one with all the claims there are: some 300. */
    private static final int LONGEST = 8 << 10;

    private static final ObjectMapper JSON =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private final Path path;
    private final InstantSource clock;
    private volatile List<PublicKey> keys;

    /**
     * @param path a public key, or a directory of some
     * @throws PageserverException BAD_REQUEST if there are none
     */
    public Tokens(Path path, InstantSource clock) {
        this.path = path;
        this.clock = clock;
        this.keys = Ed25519.publicKeys(path);
    }

    /**
     * Reads the keys again. If that fails those of before stay.
     *
     * @return how many there are now
     */
    public int reload() {
        List<PublicKey> read = Ed25519.publicKeys(path);
        keys = read;
        return read.size();
    }

    @Override
    public boolean asksForToken() {
        return true;
    }

    @Override
    public Access check(String token) {
        String[] parts = parts(token);
        if (!isSigned(parts)) {
            throw refused("it is signed with none of the keys there are");
        }
        return access(json(parts[1]));
    }

    /** Has one of the keys signed it? That says nothing of what it is for. */
    public boolean isSigned(String token) {
        return isSigned(parts(token));
    }

    private boolean isSigned(String[] parts) {
        byte[] signed = (parts[0] + "." + parts[1]).getBytes(StandardCharsets.ISO_8859_1);
        byte[] signature = decoded(parts[2]);
        return keys.stream().anyMatch(key -> Ed25519.verifies(key, signed, signature));
    }

    /** What it says of itself, whoever has signed it. */
    static JsonNode claims(String token) {
        return json(parts(token)[1]);
    }

    /** Header, claims and signature of what has the form of one. */
    private static String[] parts(String token) {
        if (token.length() > LONGEST) {
            throw refused("it is longer than " + LONGEST);
        }
        String[] parts = token.split("\\.", -1);
        if (parts.length != 3) {
            throw refused("it is no JWT");
        }
        if (!json(parts[0]).path("alg").asText().equals("EdDSA")) {
            throw refused("its algorithm is not EdDSA");
        }
        return parts;
    }

    private Access access(JsonNode claims) {
        long now = clock.instant().getEpochSecond();
        Long expires = seconds(claims, "exp");
        if (expires != null && expires < now - LEEWAY_SECONDS) {
            throw refused("it expired at " + Instant.ofEpochSecond(expires));
        }
        Long begins = seconds(claims, "nbf");
        if (begins != null && begins > now + LEEWAY_SECONDS) {
            throw refused("it is valid from " + Instant.ofEpochSecond(begins));
        }
        String scope = claims.path("scope").asText();
        return switch (scope) {
            case "pageserverapi" -> Access.EVERYTHING;
            case "tenant" -> new Access(tenant(claims));
            default ->
                    throw PageserverException.of(
                            ErrorCode.FORBIDDEN,
                            "the token is for another purpose, expected scope 'tenant' or 'pageserverapi'");
        };
    }

    static TenantId tenant(JsonNode claims) {
        try {
            return TenantId.parse(claims.path("tenant_id").asText());
        } catch (PageserverException e) {
            throw refused("its scope is 'tenant', but it names none by 32 hex digits");
        }
    }

    static @Nullable Long seconds(JsonNode claims, String name) {
        JsonNode value = claims.get(name);
        if (value == null || value.isNull()) {
            return null;
        }
        if (!value.isNumber() || Math.abs(value.doubleValue()) > Instant.MAX.getEpochSecond()) {
            throw refused("its '" + name + "' is no number of seconds");
        }
        return value.longValue();
    }

    private static JsonNode json(String part) {
        try {
            JsonNode json = JSON.readTree(decoded(part));
            if (json != null && json.isObject()) {
                return json;
            }
        } catch (IOException e) {
            // The message would repeat some of it.
        }
        throw refused("it is no JWT");
    }

    private static byte[] decoded(String part) {
        try {
            return Base64.getUrlDecoder().decode(part);
        } catch (IllegalArgumentException e) {
            throw refused("it is no JWT");
        }
    }

    private static PageserverException refused(String why) {
        return PageserverException.of(ErrorCode.UNAUTHORIZED, "the token is not valid: %s", why);
    }

    /**
     * A token for a client.
     *
     * @param key the private key's file
     * @param access what it is for
     * @param expires null: never
     */
    public static String signed(Path key, Access access, @Nullable Instant expires) {
        ObjectNode claims = JSON.createObjectNode();
        if (access.tenant() == null) {
            claims.put("scope", "pageserverapi");
        } else {
            claims.put("scope", "tenant").put("tenant_id", access.tenant().toString());
        }
        if (expires != null) {
            claims.put("exp", expires.getEpochSecond());
        }
        String signed =
                encoded(JSON.createObjectNode().put("alg", "EdDSA").put("typ", "JWT"))
                        + "."
                        + encoded(claims);
        byte[] signature =
                Ed25519.sign(Ed25519.privateKey(key), signed.getBytes(StandardCharsets.ISO_8859_1));
        return signed + "." + Base64.getUrlEncoder().withoutPadding().encodeToString(signature);
    }

    private static String encoded(ObjectNode json) {
        try {
            return Base64.getUrlEncoder()
                    .withoutPadding()
                    .encodeToString(JSON.writeValueAsBytes(json));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree that cannot be written", e);
        }
    }
}
