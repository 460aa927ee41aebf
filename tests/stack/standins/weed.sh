#!/bin/sh
# SeaweedFS's health check and port, in front of moto's server; what it is told besides is not for it.
set -eu
exec python3 -c 'import sys; from moto.server import main; main(["-H", "0.0.0.0", "-p", "8333"])'
