package io.palimpsest.server.http;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.yaml.snakeyaml.Yaml;

/** The description of the management API that the server gives out, read as a test reads it. */
record ApiDescription(JsonNode document) {
    static ApiDescription read() {
        return new ApiDescription(
                new ObjectMapper().<JsonNode>valueToTree(new Yaml().load(OpenApi.text())));
    }

    /** Methods and paths, {@code GET /v1/status}. */
    TreeSet<String> operations() {
        TreeSet<String> all = new TreeSet<>();
        for (Map.Entry<String, JsonNode> path : document.get("paths").properties()) {
            for (Iterator<String> i = path.getValue().fieldNames(); i.hasNext(); ) {
                String method = i.next();
                if (!method.equals("parameters")) {
                    all.add(method.toUpperCase(Locale.ROOT) + " " + path.getKey());
                }
            }
        }
        return all;
    }

    private JsonNode operation(String name) {
        String[] words = name.split(" ");
        return document.path("paths").path(words[1]).path(words[0].toLowerCase(Locale.ROOT));
    }

    /** Is nobody asked for a token? */
    boolean isOpen(String operation) {
        JsonNode security = operation(operation).path("security");
        return security.isArray() && security.isEmpty();
    }

    /** Does it take a key by which it is not done twice? */
    boolean takesIdempotencyKey(String operation) {
        for (JsonNode parameter : operation(operation).path("parameters")) {
            if (resolved(parameter).path("name").asText().equals("Idempotency-Key")) {
                return true;
            }
        }
        return false;
    }

    /** Ids are there once, every reference leads somewhere, the parts of paths are parameters. */
    void check() {
        TreeSet<String> ids = new TreeSet<>();
        for (String name : operations()) {
            JsonNode operation = operation(name);
            assertTrue(ids.add(operation.path("operationId").asText()), name);
            assertTrue(operation.path("responses").has("default"), name);
            String path = name.split(" ")[1];
            List<String> parameters = new ArrayList<>();
            document.path("paths")
                    .path(path)
                    .path("parameters")
                    .forEach(p -> parameters.add(resolved(p).path("name").asText()));
            List<String> parts = new ArrayList<>();
            Matcher part = Pattern.compile("\\{(\\w+)}").matcher(path);
            while (part.find()) {
                parts.add(part.group(1));
            }
            assertTrue(parts.equals(parameters), name + ": " + parameters);
        }
        for (JsonNode reference : document.findValues("$ref")) {
            assertTrue(!at(reference.asText()).isMissingNode(), reference.asText());
        }
    }

    private JsonNode at(String reference) {
        return document.at(reference.substring(1));
    }

    private JsonNode resolved(JsonNode node) {
        return node.has("$ref") ? at(node.get("$ref").asText()) : node;
    }

    /**
     * How an answer differs from what is described; empty if it does not.
     *
     * @param operation empty: the path is none, which must be an error
     * @param uri with the query, whose parameters must be described
     */
    List<String> mismatches(String operation, int status, String type, JsonNode body, String uri) {
        List<String> wrong = new ArrayList<>();
        JsonNode answer;
        if (operation.isEmpty()) {
            answer = document.at("/components/responses/Error");
        } else {
            JsonNode responses = operation(operation).path("responses");
            String code = Integer.toString(status);
            answer = resolved(responses.has(code) ? responses.get(code) : responses.get("default"));
            if (status < 400 && !responses.has(code)) {
                wrong.add("status " + status + " is not described");
            }
            if (status < 400) {
                query(operation, uri, wrong);
            }
        }
        if (!answer.has("content")) {
            if (!body.asText().isEmpty()) {
                wrong.add("a body, expected none");
            }
            return wrong;
        }
        JsonNode content = answer.get("content").path(type.replaceAll(";.*", ""));
        if (content.isMissingNode()) {
            wrong.add("type " + type + " is not described");
            return wrong;
        }
        validate(content.get("schema"), body, "", wrong);
        return wrong;
    }

    private void query(String operation, String uri, List<String> wrong) {
        int at = uri.indexOf('?');
        if (at < 0) {
            return;
        }
        List<String> known = new ArrayList<>();
        operation(operation).path("parameters").forEach(p -> known.add(p.path("name").asText()));
        for (String parameter : uri.substring(at + 1).split("&")) {
            String name = parameter.replaceAll("=.*", "");
            if (!known.contains(name)) {
                wrong.add("parameter " + name + " is not described");
            }
        }
    }

    /** As far as the description uses JSON Schema; a member that is not described is wrong. */
    private void validate(JsonNode schema, JsonNode value, String where, List<String> wrong) {
        JsonNode is = resolved(schema);
        JsonNode type = is.path("type");
        boolean fits = type.isMissingNode() || type.isTextual() && fits(type.asText(), value);
        for (JsonNode one : type) {
            fits |= fits(one.asText(), value);
        }
        if (!fits) {
            wrong.add(where + " is " + value + ", expected " + type);
            return;
        }
        if (is.has("enum")) {
            boolean listed = false;
            for (JsonNode one : is.get("enum")) {
                listed |= one.asText().equals(value.asText());
            }
            if (!listed) {
                wrong.add(where + " is " + value + ", expected one of " + is.get("enum"));
            }
        }
        if (value.isArray() && is.has("items")) {
            for (JsonNode item : value) {
                validate(is.get("items"), item, where + "/0", wrong);
            }
        }
        if (value.isObject() && is.has("properties")) {
            for (JsonNode name : is.path("required")) {
                if (!value.has(name.asText())) {
                    wrong.add(where + " has no " + name.asText());
                }
            }
            for (Map.Entry<String, JsonNode> member : value.properties()) {
                JsonNode property = is.get("properties").get(member.getKey());
                if (property == null) {
                    wrong.add(where + "/" + member.getKey() + " is not described");
                } else {
                    validate(property, member.getValue(), where + "/" + member.getKey(), wrong);
                }
            }
        }
    }

    private static boolean fits(String type, JsonNode value) {
        return switch (type) {
            case "string" -> value.isTextual();
            case "integer" -> value.isIntegralNumber();
            case "number" -> value.isNumber();
            case "boolean" -> value.isBoolean();
            case "object" -> value.isObject();
            case "array" -> value.isArray();
            case "null" -> value.isNull();
            default -> throw new IllegalArgumentException("type " + type);
        };
    }
}
