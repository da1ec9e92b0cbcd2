package io.palimpsest.server.cli;

import io.palimpsest.base.PageserverException;
import java.net.InetSocketAddress;
import picocli.CommandLine.Option;

/** Where the page service of the server is. */
final class PageServiceOptions {
    @Option(
            names = "--pageservice",
            paramLabel = "HOST:PORT",
            defaultValue = "${env:PALIMPSEST_PAGESERVICE:-127.0.0.1:64000}",
            description =
                    "The server's page service. Default: PALIMPSEST_PAGESERVICE, else 127.0.0.1:64000.")
    private String pageService = "127.0.0.1:64000";

    InetSocketAddress address() {
        int colon = pageService.lastIndexOf(':');
        if (colon < 1 || !pageService.substring(colon + 1).matches("\\d{1,5}")) {
            throw PageserverException.badRequest(
                    "--pageservice '%s': expected HOST:PORT", pageService);
        }
        return new InetSocketAddress(
                pageService.substring(0, colon),
                Integer.parseInt(pageService.substring(colon + 1)));
    }
}
