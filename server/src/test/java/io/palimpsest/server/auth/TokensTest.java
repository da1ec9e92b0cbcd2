package io.palimpsest.server.auth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.fixtures.KeyFiles;
import io.palimpsest.service.Access;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokensTest {
    private static final TenantId TENANT = new TenantId(1, 2);
    private static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");

    @TempDir Path directory;
    private Path key;
    private Tokens tokens;

    @BeforeEach
    void keys() throws IOException {
        KeyFiles files = new KeyFiles();
        key = files.privateKey(directory.resolve("private"));
        Files.createDirectory(directory.resolve("keys"));
        files.publicKey(directory.resolve("keys/b.pem"));
        tokens = new Tokens(directory.resolve("keys"), () -> NOW);
    }

    private String token(String claims) {
        return token("{\"alg\":\"EdDSA\"}", claims);
    }

    private String token(String header, String claims) {
        String signed = part(header) + "." + part(claims);
        byte[] signature =
                Ed25519.sign(Ed25519.privateKey(key), signed.getBytes(StandardCharsets.US_ASCII));
        return signed + "." + Base64.getUrlEncoder().withoutPadding().encodeToString(signature);
    }

    private static String part(String json) {
        return Base64.getUrlEncoder()
                .withoutPadding()
                .encodeToString(json.getBytes(StandardCharsets.UTF_8));
    }

    private void refused(ErrorCode code, String why, String token) {
        PageserverException e =
                assertThrows(PageserverException.class, () -> tokens.check(token), why);
        assertEquals(code, e.code(), e.getMessage());
        assertTrue(String.valueOf(e.getMessage()).contains(why), e.getMessage());
        for (String secret : token.split("\\.")) {
            assertFalse(
                    secret.length() > 4 && String.valueOf(e.getMessage()).contains(secret),
                    e.getMessage());
        }
    }

    @Test
    void whatItOpensIsWhatItSays() {
        Access all = tokens.check(Tokens.signed(key, Access.EVERYTHING, null));
        assertEquals(Access.EVERYTHING, all);
        all.toTenant(TENANT);
        all.toServer();
        Access one = tokens.check(Tokens.signed(key, new Access(TENANT), NOW.plusSeconds(1)));
        one.toTenant(TENANT);
        for (PageserverException e :
                List.of(
                        assertThrows(
                                PageserverException.class, () -> one.toTenant(new TenantId(1, 3))),
                        assertThrows(PageserverException.class, one::toServer))) {
            assertEquals(ErrorCode.FORBIDDEN, e.code());
        }
    }

    @Test
    void timesAreKeptToWithinAMinute() {
        long now = NOW.getEpochSecond();
        String claims = "{\"scope\":\"pageserverapi\",\"%s\":%d}";
        tokens.check(token(claims.formatted("exp", now - 60)));
        tokens.check(token(claims.formatted("nbf", now + 60)));
        refused(
                ErrorCode.UNAUTHORIZED,
                "it expired at 2026",
                token(claims.formatted("exp", now - 61)));
        refused(
                ErrorCode.UNAUTHORIZED,
                "valid from 2026",
                token(claims.formatted("nbf", now + 61)));
        refused(
                ErrorCode.UNAUTHORIZED,
                "'exp' is no number",
                token("{\"scope\":\"pageserverapi\",\"exp\":\"never\"}"));
        refused(
                ErrorCode.UNAUTHORIZED,
                "'exp' is no number",
                token("{\"scope\":\"pageserverapi\",\"exp\":1e300}"));
    }

    @Test
    void whatIsNoneOfOursDoesNotCount() throws IOException {
        String good = Tokens.signed(key, Access.EVERYTHING, null);
        refused(ErrorCode.UNAUTHORIZED, "no JWT", "");
        refused(ErrorCode.UNAUTHORIZED, "no JWT", "a.b");
        refused(ErrorCode.UNAUTHORIZED, "no JWT", "a.b.c");
        refused(ErrorCode.UNAUTHORIZED, "no JWT", good + ".x");
        refused(ErrorCode.UNAUTHORIZED, "longer than", "x".repeat(10_000));
        String scope = "{\"scope\":\"pageserverapi\"}";
        refused(ErrorCode.UNAUTHORIZED, "not EdDSA", token("{\"alg\":\"none\"}", scope));
        refused(ErrorCode.UNAUTHORIZED, "not EdDSA", token("{\"alg\":\"HS256\"}", scope));
        refused(ErrorCode.UNAUTHORIZED, "no JWT", token("[]", scope));
        refused(ErrorCode.UNAUTHORIZED, "no JWT", token("{} {}", scope));
        String unsigned = good.substring(0, good.lastIndexOf('.') + 1);
        refused(ErrorCode.UNAUTHORIZED, "none of the keys", unsigned);
        refused(ErrorCode.UNAUTHORIZED, "none of the keys", unsigned + "AAAA");
        String[] parts =
                token("{\"scope\":\"tenant\",\"tenant_id\":\"" + TENANT + "\"}").split("\\.");
        refused(
                ErrorCode.UNAUTHORIZED,
                "none of the keys",
                parts[0] + "." + part(scope) + "." + parts[2]);
        key = new KeyFiles().privateKey(directory.resolve("another"));
        refused(ErrorCode.UNAUTHORIZED, "none of the keys", token(scope));
    }

    @Test
    void otherPurposesOpenNothing() {
        for (String scope : List.of("safekeeperdata", "admin", "generations_api", "")) {
            refused(
                    ErrorCode.FORBIDDEN,
                    "another purpose",
                    token("{\"scope\":\"" + scope + "\",\"tenant_id\":\"" + TENANT + "\"}"));
        }
        refused(ErrorCode.FORBIDDEN, "another purpose", token("{}"));
        refused(ErrorCode.UNAUTHORIZED, "names none", token("{\"scope\":\"tenant\"}"));
        refused(
                ErrorCode.UNAUTHORIZED,
                "names none",
                token("{\"scope\":\"tenant\",\"tenant_id\":\"x\"}"));
    }

    @Test
    void keysAreReadAgainWhenAsked() throws IOException {
        KeyFiles next = new KeyFiles();
        String old = Tokens.signed(key, Access.EVERYTHING, null);
        key = next.privateKey(directory.resolve("next"));
        String young = Tokens.signed(key, Access.EVERYTHING, null);
        refused(ErrorCode.UNAUTHORIZED, "none of the keys", young);
        next.publicKey(directory.resolve("keys/a.pem"));
        Files.writeString(directory.resolve("keys/README"), "no key");
        assertEquals(2, tokens.reload());
        tokens.check(young);
        tokens.check(old);
        Files.delete(directory.resolve("keys/b.pem"));
        assertEquals(1, tokens.reload());
        refused(ErrorCode.UNAUTHORIZED, "none of the keys", old);
        Files.writeString(directory.resolve("keys/a.pem"), "-----BEGIN PUBLIC KEY-----\nxx");
        PageserverException e = assertThrows(PageserverException.class, tokens::reload);
        assertTrue(String.valueOf(e.getMessage()).contains("a.pem: no Ed25519 key"));
        tokens.check(young);
    }

    @Test
    void aPathWithoutKeysIsRefused() throws IOException {
        Path none = Files.createDirectory(directory.resolve("none"));
        for (Path path : List.of(none, directory.resolve("nowhere.pem"), key)) {
            PageserverException e =
                    assertThrows(PageserverException.class, () -> new Tokens(path, () -> NOW));
            assertEquals(ErrorCode.BAD_REQUEST, e.code());
            assertTrue(String.valueOf(e.getMessage()).contains(path.toString()), e.getMessage());
            assertFalse(
                    String.valueOf(e.getMessage()).contains(Files.readString(key).split("\n")[1]));
        }
    }
}
