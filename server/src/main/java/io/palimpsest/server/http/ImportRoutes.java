package io.palimpsest.server.http;

import io.palimpsest.base.Lsn;
import io.palimpsest.base.PageserverException;
import io.palimpsest.pg.PgVersion;
import io.palimpsest.server.http.ManagementRoutes.Answer;
import io.palimpsest.service.Management;
import io.palimpsest.timeline.BackupArchive;

/**
 * Base backups and WAL that clients send, as archives of any length.
 *
 * <pre>
 *   PUT .../timeline/:id/import_basebackup?base_lsn=&amp;end_lsn=&amp;pg_version=     a tar archive of a data directory becomes a
 *                                                    new timeline; our own: &amp;verify_checksums=false
 *   PUT .../timeline/:id/import_wal?start_lsn=&amp;end_lsn=    a tar archive of WAL segments goes on with it
 * </pre>
 */
final class ImportRoutes {
    private final Management management;

    ImportRoutes(Management management) {
        this.management = management;
    }

    void add(Router router) {
        String timeline = "/v1/tenant/{tenant}/timeline/{timeline}";
        router.streamed("PUT", timeline + "/import_basebackup", this::baseBackup);
        router.streamed("PUT", timeline + "/import_wal", this::wal);
    }

    private Answer baseBackup(Request request) {
        boolean checksums =
                !request.query().containsKey("verify_checksums")
                        || request.flag("verify_checksums");
        BackupArchive archive =
                new BackupArchive(
                        version(request.parameter("pg_version")),
                        lsn(request, "base_lsn"),
                        lsn(request, "end_lsn"),
                        checksums,
                        request.stream());
        return new Answer(
                200,
                ManagementRoutes.json(
                        management.createFromBackup(
                                request.tenant(), request.timeline(), archive)));
    }

    private Answer wal(Request request) {
        return new Answer(
                200,
                ManagementRoutes.json(
                        management.importWal(
                                request.tenant(),
                                request.timeline(),
                                new Lsn(lsn(request, "start_lsn")),
                                new Lsn(lsn(request, "end_lsn")),
                                request.stream())));
    }

    private static long lsn(Request request, String name) {
        return Lsn.parse(request.parameter(name)).value();
    }

    private static PgVersion version(String text) {
        try {
            return PgVersion.ofMajor(Integer.parseInt(text));
        } catch (NumberFormatException e) {
            throw PageserverException.badRequest(
                    "pg_version is '%s', expected 14, 15, 16, 17 or 18", text);
        }
    }
}
