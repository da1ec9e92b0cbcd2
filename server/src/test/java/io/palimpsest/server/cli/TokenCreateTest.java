package io.palimpsest.server.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.palimpsest.base.TenantId;
import io.palimpsest.fixtures.KeyFiles;
import io.palimpsest.server.auth.Tokens;
import io.palimpsest.service.Access;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenCreateTest {
    private static final String TENANT = "0123456789abcdef0123456789abcdef";

    @TempDir private Path directory;
    private Path privateKey;
    private Path publicKey;
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
                Palimpsest.run(new PrintWriter(out, true), new PrintWriter(err, true), false, all),
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
}
