package io.palimpsest.server.http;

import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.util.NetUtil;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Tells requests apart that a web page may have made its reader's browser send: whoever listens on
 * loopback is reached by every page that is looked at on that machine. Three marks: an {@code
 * Origin} that is not this server, a {@code Host} that is a name somebody has given a loopback
 * address (DNS rebinding), and a body of one of the types that browsers send without asking.
 */
final class WebPages {
    private static final String JSON = "application/json";

    private WebPages() {}

    /**
     * @param body does it have one?
     * @param anybody no token is asked for, and only this machine reaches the server
     * @return the refusal, or null
     */
    static ManagementRoutes.@Nullable Answer refusal(
            HttpRequest request, boolean body, boolean anybody) {
        HttpHeaders headers = request.headers();
        String host = headers.get(HttpHeaderNames.HOST, "");
        String origin = headers.get(HttpHeaderNames.ORIGIN);
        if (origin != null
                && !origin.equals("http://" + host)
                && !origin.equals("https://" + host)) {
            return ManagementRoutes.failure(
                    403, "a web page of " + origin + " has sent this; it may not");
        }
        if (anybody && !isThisMachine(host)) {
            return ManagementRoutes.failure(
                    403,
                    "the Host is '"
                            + host
                            + "'; without tokens only localhost and addresses are answered on loopback");
        }
        String type = headers.get(HttpHeaderNames.CONTENT_TYPE, "").toLowerCase(Locale.ROOT);
        if (body
                && !type.equals(JSON)
                && !type.startsWith(JSON + ";")
                && !type.startsWith(JSON + " ")) {
            return ManagementRoutes.failure(
                    415,
                    "expected a body of type application/json, found "
                            + (type.isEmpty() ? "none" : "'" + type + "'")
                            + "; with curl: -H 'Content-Type: application/json'");
        }
        return null;
    }

    /** Clients of HTTP/1.0 may send none. */
    private static boolean isThisMachine(String host) {
        int end = host.startsWith("[") ? host.indexOf(']') + 1 : host.indexOf(':');
        String name = end <= 0 ? host : host.substring(0, end);
        return name.isEmpty()
                || name.equalsIgnoreCase("localhost")
                || NetUtil.isValidIpV4Address(name)
                || NetUtil.isValidIpV6Address(
                        name.startsWith("[") ? name.substring(1, name.length() - 1) : name);
    }
}
