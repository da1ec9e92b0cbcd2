package io.palimpsest.protocol;

import io.palimpsest.base.ByteSink;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Hex;
import io.palimpsest.base.PageserverException;
import io.palimpsest.port.Ids;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Start-up and authentication: from the first byte to the first ReadyForQuery. Source: PostgreSQL's
 * documentation, "Message Flow: Start-up".
 */
final class ReplicationHandshake {
    private static final int PROTOCOL_3_0 = 196608;

    private final ReplicationLink link;
    private final ReplicationSettings settings;
    private final Ids ids;
    private @Nullable ScramClient scram;
    private boolean scramDone;

    ReplicationHandshake(ReplicationLink link, ReplicationSettings settings, Ids ids) {
        this.link = link;
        this.settings = settings;
        this.ids = ids;
    }

    void run() {
        ByteSink out = link.begin(0);
        out.i32BE(PROTOCOL_3_0);
        parameter(out, "user", settings.user());
        // A walsender for physical replication belongs to no database; the name is only shown.
        parameter(out, "database", "replication");
        parameter(out, "replication", "true");
        parameter(out, "application_name", settings.applicationName());
        if (!settings.options().isEmpty()) {
            parameter(out, "options", settings.options());
        }
        out.u8(0);
        link.send();
        boolean authenticated = false;
        while (true) {
            int type = link.await(settings.timeoutNanos());
            switch (type) {
                case 'R' -> {
                    if (authenticated) {
                        throw link.unexpected(type, "ReadyForQuery");
                    }
                    authenticated = authentication();
                }
                case 'K' -> {}
                case 'Z' -> {
                    if (!authenticated) {
                        throw link.unexpected(type, "authentication");
                    }
                    return;
                }
                default -> throw link.unexpected(type, "authentication");
            }
        }
    }

    /** Answers one request of the server's; true when it is content. */
    private boolean authentication() {
        BodyReader body = link.body();
        try {
            int kind = body.i32();
            switch (kind) {
                case 0 -> {
                    if (scram != null && !scramDone) {
                        throw PageserverException.of(
                                ErrorCode.SOURCE_BROKEN, "SCRAM: the server skipped its own proof");
                    }
                    return true;
                }
                case 3 -> password(needPassword());
                case 5 ->
                        password(
                                PasswordDigest.md5(settings.user(), needPassword(), body.bytes(4)));
                case 10 -> startScram(body);
                case 11 -> {
                    ByteSink answer = link.begin('p');
                    String text = needScram().answer(body.text(body.remaining()));
                    answer.bytes(text.getBytes(StandardCharsets.UTF_8));
                    link.send();
                }
                case 12 -> {
                    needScram().verify(body.text(body.remaining()));
                    scramDone = true;
                }
                default ->
                        throw PageserverException.of(
                                ErrorCode.SOURCE_BROKEN,
                                "the server asks for authentication kind %d;"
                                        + " known are trust, password, md5 and scram-sha-256",
                                kind);
            }
            return false;
        } catch (PageserverException e) {
            throw link.fail(e);
        }
    }

    private void startScram(BodyReader body) {
        List<String> mechanisms = new ArrayList<>();
        for (String name = body.text(); !name.isEmpty(); name = body.text()) {
            mechanisms.add(name);
        }
        if (!mechanisms.contains(ScramClient.MECHANISM) || scram != null) {
            throw PageserverException.of(
                    ErrorCode.SOURCE_BROKEN,
                    "the server offers SASL %s, expected %s once",
                    mechanisms,
                    ScramClient.MECHANISM);
        }
        String nonce = Hex.digits(ids.nextLong()) + Hex.digits(ids.nextLong());
        scram = new ScramClient(settings.user(), needPassword(), nonce);
        byte[] first = scram.first().getBytes(StandardCharsets.UTF_8);
        ByteSink out = link.begin('p');
        ReplicationLink.text(out, ScramClient.MECHANISM);
        out.i32BE(first.length);
        out.bytes(first);
        link.send();
    }

    private void password(String text) {
        ReplicationLink.text(link.begin('p'), text);
        link.send();
    }

    private String needPassword() {
        String password = settings.password();
        if (password == null) {
            throw PageserverException.of(
                    ErrorCode.SOURCE_BROKEN,
                    "%s asks for a password and none is configured",
                    settings);
        }
        return password;
    }

    private ScramClient needScram() {
        ScramClient client = scram;
        if (client == null) {
            throw PageserverException.corruption("SASL data before the choice of a mechanism");
        }
        return client;
    }

    private static void parameter(ByteSink out, String name, String value) {
        ReplicationLink.text(out, name);
        ReplicationLink.text(out, value);
    }
}
