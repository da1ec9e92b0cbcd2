package io.palimpsest.server.cli;

import com.fasterxml.jackson.databind.JsonNode;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.protocol.TarWriter;
import io.palimpsest.server.connect.Credentials;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ConnectException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.function.Consumer;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/** The management API of a running page server, as the command line uses it. */
final class ServerApi implements AutoCloseable {
    private static final Duration LIMIT = Duration.ofMinutes(10);

    private static final Duration CONNECT = Duration.ofSeconds(10);

    static {
        // What is not known to have failed is not done twice.
        System.setProperty("sun.net.http.retryPost", "false");
    }

    private record Reply(int status, String body) {}

    private final URI server;
    private final @Nullable String token;
    private final @Nullable SSLContext trust;

    ServerApi(URI server, Credentials credentials) {
        this.server = server;
        this.token = credentials.token();
        this.trust = credentials.trust();
    }

    /** In place of the cause where nothing was answered: the server is not there, or is none. */
    static final class NoAnswer extends IOException {
        private static final long serialVersionUID = 1;

        NoAnswer(IOException cause) {
            super(cause);
        }
    }

    JsonNode get(String path) throws InterruptedException {
        return call("GET", path, "");
    }

    /** A text that is no JSON. */
    String text(String path) throws InterruptedException {
        Reply answer = reply("GET", path, "", LIMIT);
        if (answer.status / 100 != 2) {
            JsonNode _ = answered(answer.status, answer.body);
        }
        return answer.body;
    }

    /** What is answered with 200, or with 503: it is told in the same form that it is not well. */
    JsonNode either(String path) throws InterruptedException {
        Reply answer = reply("GET", path, "", LIMIT);
        return answered(answer.status == 503 ? 200 : answer.status, answer.body);
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
        Reply answer = reply(method, path, body, limit);
        return answered(answer.status(), answer.body());
    }

    private Reply reply(String method, String path, String body, Duration limit)
            throws InterruptedException {
        try {
            return ask(method, path, body, limit);
        } catch (IOException e) {
            throw silent(e);
        } catch (IllegalArgumentException e) {
            throw new PageserverException(
                    ErrorCode.BAD_REQUEST, "not a server's URL: " + server, e);
        }
    }

    private PageserverException silent(IOException e) {
        return new PageserverException(
                ErrorCode.IO, "%s does not answer: %s".formatted(server, why(e)), new NoAnswer(e));
    }

    private JsonNode answered(int status, String body) {
        JsonNode json = json(body);
        if (status / 100 != 2) {
            throw new PageserverException(
                    code(status), json.path("msg").asText("status " + status));
        }
        return json;
    }

    /**
     * Sends a body of any length with PUT.
     *
     * @param body makes it
     * @param limit for the answer when all is sent
     */
    JsonNode upload(String path, Consumer<TarWriter.Sink> body, Duration limit)
            throws InterruptedException {
        try {
            Upload.Reply reply = new Upload(server.resolve(path), token, trust).put(body, limit);
            return answered(reply.status(), reply.body());
        } catch (IOException e) {
            throw silent(e);
        }
    }

    /**
     * By the oldest of Java's clients: the newer one gets TLS ready each time, also for plain HTTP,
     * which takes twice as long as all the rest of a small command.
     */
    private Reply ask(String method, String path, String body, Duration limit)
            throws IOException, InterruptedException {
        if (method.equals("PATCH")) {
            return askByTheNewer(method, path, body, limit);
        }
        HttpURLConnection connection =
                (HttpURLConnection) server.resolve(path).toURL().openConnection();
        if (trust != null && connection instanceof HttpsURLConnection https) {
            https.setSSLSocketFactory(trust.getSocketFactory());
        }
        connection.setInstanceFollowRedirects(false);
        connection.setConnectTimeout((int) CONNECT.toMillis());
        connection.setReadTimeout((int) limit.toMillis());
        connection.setRequestMethod(method);
        if (token != null) {
            connection.setRequestProperty("Authorization", "Bearer " + token);
        }
        if (!body.isEmpty()) {
            connection.setRequestProperty("Content-Type", "application/json");
            connection.setDoOutput(true);
            try (OutputStream out = connection.getOutputStream()) {
                out.write(body.getBytes(StandardCharsets.UTF_8));
            }
        }
        int status = connection.getResponseCode();
        try (InputStream in =
                status < 400 ? connection.getInputStream() : connection.getErrorStream()) {
            return new Reply(
                    status,
                    in == null ? "" : new String(in.readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    /** For what the oldest does not know. */
    private Reply askByTheNewer(String method, String path, String body, Duration limit)
            throws IOException, InterruptedException {
        HttpClient.Builder builder = HttpClient.newBuilder().connectTimeout(CONNECT);
        if (trust != null) {
            builder.sslContext(trust);
        }
        HttpRequest.Builder request =
                HttpRequest.newBuilder(server.resolve(path))
                        .timeout(limit)
                        .method(method, HttpRequest.BodyPublishers.ofString(body))
                        .header("Content-Type", "application/json");
        if (token != null) {
            request.header("Authorization", "Bearer " + token);
        }
        try (HttpClient client = builder.build()) {
            HttpResponse<String> answer =
                    client.send(request.build(), HttpResponse.BodyHandlers.ofString());
            return new Reply(answer.statusCode(), answer.body());
        }
    }

    private static String why(IOException e) {
        return e instanceof ConnectException
                ? "nobody listens there; is it started, and is --server right?"
                : e.toString();
    }

    private JsonNode json(String body) {
        try {
            return JsonText.read(body);
        } catch (IOException e) {
            throw new PageserverException(
                    ErrorCode.IO,
                    "%s is no page server: %s".formatted(server, e.getMessage()),
                    new NoAnswer(e));
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

    /** Nothing is held between two calls. */
    @Override
    public void close() {}
}
