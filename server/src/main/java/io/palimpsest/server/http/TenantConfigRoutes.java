package io.palimpsest.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.palimpsest.base.PageserverException;
import io.palimpsest.base.TenantConfig;
import io.palimpsest.base.TenantId;
import io.palimpsest.base.TenantOverrides;
import io.palimpsest.base.TenantSetting;
import io.palimpsest.server.config.TenantValues;
import io.palimpsest.server.http.ManagementRoutes.Answer;
import io.palimpsest.service.Management;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What tenants have of their own in place of the server's configuration (decision 0116).
 *
 * <pre>
 *   GET   /v1/tenant/:tenant/config     {"tenant_specific_overrides": {...}, "effective_config": {...}}
 *   PUT   /v1/tenant/config             {"tenant_id", KEY: value, ...}: that and nothing else
 *   PATCH /v1/tenant/config             {"tenant_id", KEY: value or null, ...}: that too; null: the server's again
 * </pre>
 *
 * Durations are strings such as {@code "7 d"}, everything else numbers.
 */
final class TenantConfigRoutes {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final String TENANT = "tenant_id";

    private final Management management;

    TenantConfigRoutes(Management management) {
        this.management = management;
    }

    void add(Router router) {
        router.add("GET", "/v1/tenant/{tenant}/config", r -> config(r.tenant()));
        router.ofTenantInBody("PUT", "/v1/tenant/config", TENANT, this::replace);
        router.ofTenantInBody("PATCH", "/v1/tenant/config", TENANT, this::change);
    }

    private Answer config(TenantId tenant) {
        ObjectNode json = JSON.objectNode();
        json.set("tenant_specific_overrides", json(management.overrides(tenant)));
        json.set("effective_config", json(management.config(tenant)));
        return new Answer(200, json);
    }

    private Answer replace(Request request) {
        ObjectNode body = fields(request.json());
        management.configure(request.tenantInBody(TENANT), _ -> overrides(body));
        return new Answer(200, JSON.nullNode());
    }

    private Answer change(Request request) {
        ObjectNode body = fields(request.json());
        TreeSet<TenantSetting> removed = new TreeSet<>();
        for (Map.Entry<String, JsonNode> field : body.properties()) {
            if (field.getValue().isNull()) {
                removed.add(TenantSetting.named(field.getKey()));
            }
        }
        removed.forEach(setting -> body.remove(setting.key()));
        TenantOverrides given = overrides(body);
        management.configure(
                request.tenantInBody(TENANT), before -> before.with(given.values(), removed));
        return new Answer(200, JSON.nullNode());
    }

    private static ObjectNode fields(JsonNode body) {
        ObjectNode fields = body.deepCopy();
        fields.remove(TENANT);
        return fields;
    }

    /** BAD_REQUEST, naming the key, if one is not known or its value makes no sense. */
    static TenantOverrides overrides(JsonNode fields) {
        TreeMap<TenantSetting, Long> values = new TreeMap<>();
        for (Map.Entry<String, JsonNode> field : fields.properties()) {
            TenantSetting setting = TenantSetting.named(field.getKey());
            JsonNode value = field.getValue();
            try {
                values.put(
                        setting,
                        TenantValues.parse(
                                setting,
                                value.isIntegralNumber()
                                        ? (Object) value.longValue()
                                        : value.asText()));
            } catch (IllegalArgumentException e) {
                throw PageserverException.badRequest(
                        "%s: %s", field.getKey(), String.valueOf(e.getMessage()));
            }
        }
        return new TenantOverrides(values);
    }

    static ObjectNode json(TenantOverrides overrides) {
        ObjectNode json = JSON.objectNode();
        overrides.values().forEach((setting, value) -> put(json, setting, value));
        return json;
    }

    private static ObjectNode json(TenantConfig config) {
        ObjectNode json = JSON.objectNode();
        for (TenantSetting setting : TenantSetting.values()) {
            put(json, setting, setting.of(config));
        }
        return json;
    }

    private static void put(ObjectNode json, TenantSetting setting, long value) {
        switch (setting.unit()) {
            case NANOS -> json.put(setting.key(), TenantValues.duration(value));
            case NUMBER -> json.put(setting.key(), value);
        }
    }
}
