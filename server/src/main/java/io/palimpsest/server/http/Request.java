package io.palimpsest.server.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.netty.handler.codec.http.QueryStringDecoder;
import io.palimpsest.base.ErrorCode;
import io.palimpsest.base.Label;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantShardId;
import io.palimpsest.base.TimelineId;
import io.palimpsest.service.Access;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/**
 * What a route is asked. Whatever is not as expected is a BAD_REQUEST that says what was.
 *
 * @param access what who asks may reach
 * @param branches which timeline a name means
 * @param path what the parts in braces of the route's template stand for
 * @param key its Idempotency-Key, null if it has none
 */
record Request(
        Access access,
        BiFunction<TenantId, Label, TimelineId> branches,
        Map<String, String> path,
        Map<String, List<String>> query,
        @Nullable String key,
        Body content) {
    /**
     * What came with it.
     *
     * @param stream instead of the bytes, where a route reads them as they come
     */
    record Body(byte[] bytes, @Nullable SentBody stream) {}

    private static final ObjectMapper MAPPER =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    /** A route below a tenant is that tenant's, every other the server's. */
    void checkAccess() {
        if (path.containsKey("tenant")) {
            access.toTenant(tenant());
        } else {
            access.toServer();
        }
    }

    /** What the query says, if it does so once. */
    String parameter(String name, String otherwise) {
        List<String> values = query.getOrDefault(name, List.of(otherwise));
        if (values.size() != 1) {
            throw PageserverException.badRequest("the query has '%s' more than once", name);
        }
        return values.getFirst();
    }

    TenantId tenant() {
        return tenant(inPath("tenant"));
    }

    /** The tenant that a member of the body names. */
    TenantId tenantInBody(String field) {
        return tenant(text(json(), field));
    }

    private static TenantId tenant(String id) {
        TenantShardId shard = TenantShardId.parse(id);
        if (shard.count() > 1) {
            throw PageserverException.of(ErrorCode.NOT_FOUND, "shard %s is not here", shard);
        }
        return shard.tenant();
    }

    /** By its id or its name. */
    TimelineId timeline() {
        return timeline(inPath("timeline"));
    }

    /** The timeline that an id or a name means. */
    TimelineId timeline(String text) {
        return Label.isId(text)
                ? TimelineId.parse(text)
                : branches.apply(tenant(), new Label(text));
    }

    /** What stands in the path there; a slash in it is written as %2F. */
    String inPath(String name) {
        try {
            return QueryStringDecoder.decodeComponent(path.getOrDefault(name, ""));
        } catch (IllegalArgumentException e) {
            throw new PageserverException(
                    ErrorCode.BAD_REQUEST, "the path is not encoded as it should be", e);
        }
    }

    /** A parameter of the query that may be left out, which means false. */
    boolean flag(String name) {
        return Boolean.parseBoolean(query.getOrDefault(name, List.of("")).getFirst());
    }

    /** The body; empty where it is read as it comes. */
    byte[] body() {
        return content.bytes();
    }

    /** The body as it comes. */
    SentBody stream() {
        SentBody stream = content.stream();
        if (stream == null) {
            throw new IllegalStateException("the route is not one whose body is read as it comes");
        }
        return stream;
    }

    /** A parameter of the query that must be there. */
    String parameter(String name) {
        List<String> values = query.getOrDefault(name, List.of());
        if (values.size() != 1) {
            throw PageserverException.badRequest(
                    "the query needs %s once, found it %d times", name, values.size());
        }
        return values.getFirst();
    }

    /** The body, a JSON object. */
    JsonNode json() {
        return parse(body());
    }

    static JsonNode parse(byte[] body) {
        try {
            JsonNode json = MAPPER.readTree(body);
            if (json != null && json.isObject()) {
                return json;
            }
        } catch (IOException e) {
            throw new PageserverException(
                    ErrorCode.BAD_REQUEST, "the body is not JSON: " + e.getMessage(), e);
        }
        throw PageserverException.badRequest("the body is not a JSON object");
    }

    static String text(JsonNode json, String field) {
        JsonNode value = json.get(field);
        if (value == null || !value.isTextual()) {
            throw PageserverException.badRequest("the body needs the text '%s'", field);
        }
        return value.textValue();
    }

    /** A member of the body that may be left out, which means false. */
    static boolean flag(JsonNode json, String field) {
        JsonNode value = json.get(field);
        if (value == null || value.isNull()) {
            return false;
        }
        if (!value.isBoolean()) {
            throw PageserverException.badRequest("%s is %s, expected true or false", field, value);
        }
        return value.booleanValue();
    }

    static byte[] bytes(JsonNode json) {
        try {
            return MAPPER.writeValueAsBytes(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree that cannot be written", e);
        }
    }
}
