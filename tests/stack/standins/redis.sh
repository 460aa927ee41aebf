#!/bin/sh
# The official image drops root for its server, whose data directory is a volume.
set -eu
if [ "$(id -u)" = 0 ]; then
    chown redis /data
    exec gosu redis "$0" "$@"
fi
exec "$@"
