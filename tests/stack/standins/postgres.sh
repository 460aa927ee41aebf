#!/bin/sh
# What the official image's entrypoint does of what docker-compose.yml relies on.
set -eu
if [ "$(id -u)" = 0 ]; then
    chown postgres "$PGDATA"
    exec gosu postgres "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-host=scram-sha-256 --encoding=UTF8 >&2
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    pg_ctl --wait -o "-c listen_addresses=''" start >&2
    createdb --username="$POSTGRES_USER" "$POSTGRES_DB" 2>&1 || true
    pg_ctl --wait stop >&2
fi
exec "$@" -c listen_addresses='*'
