package io.palimpsest.server.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Has a running page server take tenants over from its object store. */
@Command(
        name = "attach",
        mixinStandardHelpOptions = true,
        description = {
            "Has a running page server take tenants over from its object store.",
            "A server that has one of them until then is fenced: it takes no more of its WAL."
        })
final class TenantAttach implements Callable<Integer> {
    private static final ObjectMapper JSON = new ObjectMapper();

    @Spec CommandSpec spec = CommandSpec.create();

    @Option(
            names = "--server",
            paramLabel = "URL",
            defaultValue = "http://127.0.0.1:9898",
            description = "The server's management API. Default: ${DEFAULT-VALUE}.")
    private URI server = URI.create("http://127.0.0.1:9898");

    @Option(names = "--all", description = "All tenants that the store has something of.")
    private boolean all;

    @Parameters(paramLabel = "TENANT", arity = "0..*", description = "Tenant ids.")
    private List<String> tenants = List.of();

    @Override
    public Integer call() throws InterruptedException {
        if (all == !tenants.isEmpty()) {
            throw PageserverException.badRequest("give tenant ids, or --all");
        }
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        int status = Palimpsest.DONE;
        try (HttpClient http = HttpClient.newHttpClient()) {
            for (TenantId tenant :
                    all ? inStore(http) : tenants.stream().map(TenantId::parse).toList()) {
                HttpResponse<String> answer =
                        send(
                                http,
                                "PUT",
                                "/v1/tenant/" + tenant + "/location_config",
                                "{\"mode\": \"AttachedSingle\"}");
                if (answer.statusCode() == 200) {
                    out.println(tenant + "  attached");
                } else {
                    err.println("palimpsest: " + tenant + ": " + message(answer));
                    status = answer.statusCode() == 404 ? Palimpsest.NOT_FOUND : Palimpsest.FAILED;
                }
            }
        }
        return status;
    }

    private List<TenantId> inStore(HttpClient http) throws InterruptedException {
        HttpResponse<String> answer = send(http, "GET", "/v1/store/tenant", "");
        if (answer.statusCode() != 200) {
            throw PageserverException.of(ErrorCode.IO, "%s: %s", server, message(answer));
        }
        List<TenantId> found = new ArrayList<>();
        for (JsonNode tenant : json(answer)) {
            found.add(TenantId.parse(tenant.path("id").asText()));
        }
        return found;
    }

    private HttpResponse<String> send(HttpClient http, String method, String path, String body)
            throws InterruptedException {
        try {
            return http.send(
                    HttpRequest.newBuilder(server.resolve(path))
                            .method(method, HttpRequest.BodyPublishers.ofString(body))
                            .build(),
                    HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new PageserverException(
                    ErrorCode.IO, "%s does not answer: %s".formatted(server, e), e);
        } catch (IllegalArgumentException e) {
            throw new PageserverException(
                    ErrorCode.BAD_REQUEST, "not a server's URL: " + server, e);
        }
    }

    private String message(HttpResponse<String> answer) {
        return json(answer).path("msg").asText("status " + answer.statusCode());
    }

    private JsonNode json(HttpResponse<String> answer) {
        try {
            return JSON.readTree(answer.body());
        } catch (JsonProcessingException e) {
            throw new PageserverException(
                    ErrorCode.IO, "%s is no page server: %s".formatted(server, e.getMessage()), e);
        }
    }
}
