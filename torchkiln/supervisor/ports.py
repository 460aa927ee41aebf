"""Ports: whether one is free, and keeping it."""

from __future__ import annotations

import errno
import random
import socket

from torchkiln.errors import CannotRun

# Below the range from which kernels take ports for outgoing connections, so that no client of
# the broker can be given the broker's own port while that one restarts.
UNPRIVILEGED = range(20_000, 32_768)
TRIES = 200


REMEDY = "give --port another number (0 takes a free one)"


def reserve(host: str, port: int, *, remedy: str = REMEDY) -> socket.socket:
    """Bind `host:port` and keep it; 0 takes a free one. Raises `CannotRun`, naming what is wrong
    and the `remedy`.

    The socket never listens, so no connection comes to it. The API processes bind beside it by
    SO_REUSEPORT, and nobody else can take the port while one of them restarts.
    """
    family = _family(host)
    try:
        _probe(family, host, port)
        try:
            return _bind(family, host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        # Nobody listens: connections of a program before linger (TIME_WAIT).
        return _bind(family, host, port, socket.SO_REUSEADDR)
    except OSError as error:
        raise _problem(host, port, error, remedy) from error


def free_port(preferred: int | None = None) -> int:
    """A port of the loopback that nobody listens on: `preferred` if it still is one."""
    candidates = random.sample(UNPRIVILEGED, TRIES)
    for port in ([preferred] if preferred else []) + candidates:
        try:
            _probe(socket.AF_INET, "127.0.0.1", port)
        except OSError:
            continue
        return port
    raise CannotRun(f"no free port found on 127.0.0.1 in {TRIES} tries")


def _bind(family: socket.AddressFamily, host: str, port: int, *options: int) -> socket.socket:
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Without SO_REUSEADDR where possible: with it, two of these could have the same port.
        for option in (socket.SO_REUSEPORT, *options):
            held.setsockopt(socket.SOL_SOCKET, option, 1)
        held.bind((host, port))
    except OSError:
        held.close()
        raise
    return held


def _probe(family: socket.AddressFamily, host: str, port: int) -> None:
    """Fail if anybody has the port, even one who would share it."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # TIME_WAIT is nobody
        probe.bind((host, port))


def _family(host: str) -> socket.AddressFamily:
    try:
        return socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    except OSError as error:
        raise CannotRun(f"--host {host}: not an address of this machine ({error})") from error


def _problem(host: str, port: int, error: OSError, remedy: str) -> CannotRun:
    if error.errno == errno.EADDRINUSE:
        return CannotRun(
            f"port {port} on {host} is in use by another program; stop it, or {remedy}"
        )
    if error.errno == errno.EACCES:
        return CannotRun(f"port {port} on {host} may not be opened by this user")
    if error.errno == errno.EADDRNOTAVAIL:
        return CannotRun(f"--host {host}: not an address of this machine")
    return CannotRun(f"cannot listen on port {port} of {host}: {error}")
