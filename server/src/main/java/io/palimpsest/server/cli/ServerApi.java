package io.palimpsest.server.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.server.connect.Credentials;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** The management API of a running page server, as the command line uses it. */
final class ServerApi implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration LIMIT = Duration.ofMinutes(10);

    private final URI server;
    private final @Nullable String token;
    private final HttpClient http;

    ServerApi(URI server, Credentials credentials) {
        this.server = server;
        this.token = credentials.token();
        HttpClient.Builder builder = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10));
        if (credentials.trust() != null) {
            builder.sslContext(credentials.trust());
        }
        this.http = builder.build();
    }

    JsonNode get(String path) throws InterruptedException {
        return call("GET", path, "");
    }

    /**
     * What the server answers.
     *
     * @param body JSON, or empty
     * @throws PageserverException as the server says; IO if it does not answer, or is none
     */
    JsonNode call(String method, String path, String body) throws InterruptedException {
        return call(method, path, body, LIMIT);
    }

    /** The same, with a longest wait of its own. */
    JsonNode call(String method, String path, String body, Duration limit)
            throws InterruptedException {
        HttpResponse<String> answer;
        try {
            HttpRequest.Builder request =
                    HttpRequest.newBuilder(server.resolve(path))
                            .timeout(limit)
                            .method(
                                    method,
                                    body.isEmpty()
                                            ? HttpRequest.BodyPublishers.noBody()
                                            : HttpRequest.BodyPublishers.ofString(body));
            if (!body.isEmpty()) {
                request.header("Content-Type", "application/json");
            }
            if (token != null) {
                request.header("Authorization", "Bearer " + token);
            }
            answer = http.send(request.build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new PageserverException(
                    ErrorCode.IO, "%s does not answer: %s".formatted(server, why(e)), e);
        } catch (IllegalArgumentException e) {
            throw new PageserverException(
                    ErrorCode.BAD_REQUEST, "not a server's URL: " + server, e);
        }
        JsonNode json = json(answer.body());
        if (answer.statusCode() / 100 != 2) {
            throw new PageserverException(
                    code(answer.statusCode()),
                    json.path("msg").asText("status " + answer.statusCode()));
        }
        return json;
    }

    /** A refused connection has no message. */
    private static String why(IOException e) {
        return e instanceof ConnectException && e.getMessage() == null
                ? "nobody listens there; is it started, and is --server right?"
                : e.toString();
    }

    private JsonNode json(String body) {
        try {
            return JSON.readTree(body.isEmpty() ? "null" : body);
        } catch (JsonProcessingException e) {
            throw new PageserverException(
                    ErrorCode.IO, "%s is no page server: %s".formatted(server, e.getMessage()), e);
        }
    }

    private static ErrorCode code(int status) {
        return switch (status) {
            case 400 -> ErrorCode.BAD_REQUEST;
            case 401 -> ErrorCode.UNAUTHORIZED;
            case 403 -> ErrorCode.FORBIDDEN;
            case 404 -> ErrorCode.NOT_FOUND;
            case 409 -> ErrorCode.CONFLICT;
            case 412 -> ErrorCode.PRECONDITION_FAILED;
            case 406 -> ErrorCode.LSN_OUT_OF_RANGE;
            case 503 -> ErrorCode.UNAVAILABLE;
            default -> ErrorCode.IO;
        };
    }

    @Override
    public void close() {
        http.close();
    }
}
