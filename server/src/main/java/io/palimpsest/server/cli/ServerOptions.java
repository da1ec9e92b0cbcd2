package io.palimpsest.server.cli;

import io.palimpsest.server.connect.Credentials;
import java.net.URI;
import picocli.CommandLine.Option;

/** Which running page server a command is about. */
final class ServerOptions {
    private static final String DEFAULT = "http://127.0.0.1:9898";

    @Option(
            names = "--server",
            paramLabel = "URL",
            defaultValue = "${env:PALIMPSEST_SERVER:-" + DEFAULT + "}",
            description = {
                "The server's management API. Default: PALIMPSEST_SERVER, else " + DEFAULT + ".",
                Credentials.HELP
            })
    private URI server = URI.create(DEFAULT);

    URI url() {
        return server;
    }

    ServerApi open() {
        return new ServerApi(server, Credentials.of(System.getenv()));
    }
}
