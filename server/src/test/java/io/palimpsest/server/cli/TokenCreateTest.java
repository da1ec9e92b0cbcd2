package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.TenantId;
import io.palimpsest.fixtures.KeyFiles;
import io.palimpsest.server.auth.Tokens;
import io.palimpsest.service.Access;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenCreateTest {
    private static final String TENANT = "0123456789abcdef0123456789abcdef";

    @TempDir private Path directory;
    private Path privateKey;
    private Path publicKey;
    private final StringWriter shown = new StringWriter();
    private final StringWriter err = new StringWriter();

    @BeforeEach
    void keys() throws IOException {
        KeyFiles files = new KeyFiles();
        privateKey = files.privateKey(directory.resolve("private.pem"));
        publicKey = files.publicKey(directory.resolve("public.pem"));
    }

    private String run(int status, Path key, String... args) {
        String[] all = new String[args.length + 4];
        all[0] = "token";
        all[1] = "create";
        all[2] = "--key";
        all[3] = key.toString();
        System.arraycopy(args, 0, all, 4, args.length);
        StringWriter out = new StringWriter();
        assertEquals(
                status,
                Palimpsest.run(
                        new PrintWriter(out, true), new PrintWriter(err, true), Terminal.NONE, all),
                err.toString());
        return out.toString().strip();
    }

    private Access check(String token, Duration later) {
        return new Tokens(publicKey, () -> Instant.now().plus(later)).check(token);
    }

    @Test
    void aTokenIsForWhatWasSaid() {
        assertEquals(
                new Access(TenantId.parse(TENANT)),
                check(run(0, privateKey, "--tenant", TENANT), Duration.ofDays(9999)));
        assertEquals(
                Access.EVERYTHING,
                check(run(0, privateKey, "--all", "--days", "2"), Duration.ofDays(1)));
    }

    @Test
    void whatIsWrongIsSaid() {
        run(2, privateKey);
        run(2, privateKey, "--all", "--tenant", TENANT);
        run(2, privateKey, "--tenant", "x");
        run(2, privateKey, "--all", "--days", "0");
        run(2, publicKey, "--all");
        assertTrue(err.toString().contains("public.pem: no Ed25519 key"), err.toString());
    }

    private int inspect(String... args) {
        List<String> all = new ArrayList<>(List.of("token", "inspect"));
        all.addAll(List.of(args));
        shown.getBuffer().setLength(0);
        return Palimpsest.run(
                new PrintWriter(shown, true),
                new PrintWriter(err, true),
                Terminal.NONE,
                all.toArray(String[]::new));
    }

    /** What it is for, and not enough to use it: no part of the signature. */
    @Test
    void aTokenIsLookedAt() throws IOException {
        String token = run(0, privateKey, "--tenant", TENANT, "--days", "2");
        String file = Files.writeString(directory.resolve("token"), token + "\n").toString();
        assertEquals(0, inspect(file), err.toString());
        assertTrue(shown.toString().contains("opens    tenant " + TENANT), shown.toString());
        assertTrue(shown.toString().contains("until    20"), shown.toString());
        assertEquals(0, inspect(file, "--key", publicKey.toString(), "--json"));
        assertTrue(shown.toString().contains("\"signed\" : true"), shown.toString());
        for (String part : token.split("\\.")) {
            assertFalse((shown.toString() + err).contains(part), "a part of the token");
        }
        String all = run(0, privateKey, "--all");
        file = Files.writeString(directory.resolve("token"), all).toString();
        assertEquals(0, inspect(file));
        assertTrue(shown.toString().contains("everything"), shown.toString());
        assertTrue(shown.toString().contains("for ever"), shown.toString());
    }

    @Test
    void oneThatIsNotValidIsSaid() throws IOException {
        Path other = new KeyFiles().publicKey(directory.resolve("other.pem"));
        String token = run(0, privateKey, "--all");
        String file = Files.writeString(directory.resolve("token"), token).toString();
        assertEquals(8, inspect(file, "--key", other.toString()));
        assertTrue(err.toString().contains("signed with none of the keys"), err.toString());
        String old = Tokens.signed(privateKey, Access.EVERYTHING, Instant.EPOCH);
        assertEquals(8, inspect(Files.writeString(directory.resolve("token"), old).toString()));
        assertTrue(err.toString().contains("expired at 1970"), err.toString());
        assertEquals(8, inspect(Files.writeString(directory.resolve("token"), "a.b").toString()));
        // Who types the token itself does not see it again.
        assertEquals(2, inspect(token));
        assertFalse(err.toString().contains(token.substring(0, 20)), err.toString());
    }
}
