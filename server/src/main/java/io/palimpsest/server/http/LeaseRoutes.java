package io.palimpsest.server.http;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.palimpsest.base.Lsn;
import io.palimpsest.server.http.ManagementRoutes.Answer;
import io.palimpsest.service.Management;

/**
 * Leases of LSNs, beside those that the field has ({@link ManagementRoutes}).
 *
 * <pre>
 *   DELETE .../timeline/:id/lsn_lease?lsn=           our own: it is taken back before its time; 404 if there is none
 * </pre>
 */
final class LeaseRoutes {
    private final Management management;

    LeaseRoutes(Management management) {
        this.management = management;
    }

    void add(Router router) {
        router.add("DELETE", "/v1/tenant/{tenant}/timeline/{timeline}/lsn_lease", this::drop);
    }

    private Answer drop(Request request) {
        management.dropLease(
                request.tenant(), request.timeline(), Lsn.parse(request.parameter("lsn")));
        return new Answer(200, JsonNodeFactory.instance.nullNode());
    }
}
