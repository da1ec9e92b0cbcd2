package io.palimpsest.server.http;

import io.palimpsest.base.Label;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.server.http.ManagementRoutes.Answer;
import io.palimpsest.service.Access;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/**
 * Which method and path does what. A path is a template whose parts in braces stand for anything;
 * what is below a tenant opens to that tenant's tokens, everything else to the server's.
 */
final class Router {
    /** What answers a request. */
    interface Handler {
        Answer answer(Request request);
    }

    /**
     * A method of a path.
     *
     * @param template such as {@code /v1/tenant/{tenant}/timeline}
     * @param open it tells no more than that the server is there: nobody is asked who he is
     * @param tenantField the member of the body that names the tenant whose token opens it; null:
     *     the path says who may
     * @param streamed its body may be of any length, and is read as it comes
     * @param successes how often it was answered with a status below 400
     */
    record Route(
            String method,
            String template,
            boolean open,
            @Nullable String tenantField,
            boolean streamed,
            Handler handler,
            LongAdder successes,
            LongAdder failures) {
        private @Nullable Map<String, String> match(List<String> path) {
            List<String> parts = parts(template);
            if (parts.size() != path.size()) {
                return null;
            }
            Map<String, String> found = new TreeMap<>();
            for (int i = 0; i < parts.size(); i++) {
                String part = parts.get(i);
                if (part.startsWith("{")) {
                    found.put(part.substring(1, part.length() - 1), path.get(i));
                } else if (!part.equals(path.get(i))) {
                    return null;
                }
            }
            return found;
        }
    }

    private final BiFunction<TenantId, Label, TimelineId> branches;
    private final List<Route> routes = new ArrayList<>();
    private final IdempotencyKeys keys = new IdempotencyKeys();

    /**
     * @param branches which timeline of a tenant a name means
     */
    Router(BiFunction<TenantId, Label, TimelineId> branches) {
        this.branches = branches;
    }

    void add(String method, String template, Handler handler) {
        add(method, template, false, null, false, handler);
    }

    /** One that is about the tenant that its body names. */
    void ofTenantInBody(String method, String template, String field, Handler handler) {
        add(method, template, false, field, false, handler);
    }

    /** One that tells no more than that the server is there: nobody is asked who he is. */
    void open(String method, String template, Handler handler) {
        add(method, template, true, null, false, handler);
    }

    /** One whose body may be of any length, and is read as it comes. */
    void streamed(String method, String template, Handler handler) {
        add(method, template, false, null, true, handler);
    }

    /** Is the body of such a request read as it comes? */
    boolean isStreamed(String method, String path) {
        for (Route route : routes) {
            if (route.streamed && route.method.equals(method) && route.match(parts(path)) != null) {
                return true;
            }
        }
        return false;
    }

    private void add(
            String method,
            String template,
            boolean open,
            @Nullable String tenantField,
            boolean streamed,
            Handler handler) {
        routes.add(
                new Route(
                        method,
                        template,
                        open,
                        tenantField,
                        streamed,
                        handler,
                        new LongAdder(),
                        new LongAdder()));
    }

    /** May everybody ask for that path? */
    boolean isOpen(String path) {
        return routes.stream().anyMatch(route -> route.open && route.template.equals(path));
    }

    /** All there are, in the order in which they were added. */
    List<Route> routes() {
        return List.copyOf(routes);
    }

    /** Answers a request: with 404 or 405 if it is for no route. */
    Answer answer(
            Access access,
            String method,
            String path,
            Map<String, List<String>> query,
            @Nullable String key,
            Request.Body body) {
        List<String> parts = parts(path);
        TreeSet<String> allowed = new TreeSet<>();
        for (Route route : routes) {
            Map<String, String> found = route.match(parts);
            if (found != null && route.method.equals(method)) {
                return counted(route, new Request(access, branches, found, query, key, body));
            }
            if (found != null) {
                allowed.add(route.method);
            }
        }
        return allowed.isEmpty()
                ? ManagementRoutes.failure(404, "there is no path " + path)
                : ManagementRoutes.failure(
                        405,
                        "method "
                                + method
                                + " is not allowed here: "
                                + String.join(", ", allowed)
                                + " is");
    }

    private Answer counted(Route route, Request request) {
        boolean good = false;
        try {
            if (route.tenantField != null) {
                request.access().toTenant(request.tenantInBody(route.tenantField));
            } else if (!route.open) {
                request.checkAccess();
            }
            Answer answer = answer(route, request);
            good = answer.status() < 400;
            return answer;
        } finally {
            (good ? route.successes : route.failures).increment();
        }
    }

    private Answer answer(Route route, Request request) {
        String key = request.key();
        if (key == null || !route.method.equals("POST")) {
            return route.handler.answer(request);
        }
        String what = route.template + " " + request.path() + " " + new TreeMap<>(request.query());
        return keys.answer(
                request.path().getOrDefault("tenant", ""),
                key,
                IdempotencyKeys.sha256(IdempotencyKeys.bytes(what), request.content().bytes()),
                () -> route.handler.answer(request));
    }

    private static List<String> parts(String path) {
        return List.of(path.replaceAll("/+$", "").split("/", -1));
    }
}
