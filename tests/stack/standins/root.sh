#!/bin/sh
# Makes a Debian root that the stand-ins of all images are built from, and imports it as an image.
# Usage: root.sh IMAGE. Needs root, debootstrap and a running dockerd.
set -eu
image=$1
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
packages=ca-certificates,curl,gosu,nginx-light,postgresql,prometheus,python3,python3-pip,python3-venv,redis-server
debootstrap --variant=minbase --include="$packages" bookworm "$root" "$mirror" >&2
# Certificates of this machine, so that pip reaches its index through whatever stands between.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
ln -sf python3 "$root/usr/bin/python"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc
tar -C "$root" -c . | docker import \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV LANG=C.UTF-8' - "$image"
