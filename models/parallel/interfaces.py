"""Which network interface of this host has an address: gloo and nccl ask for its name."""

from __future__ import annotations

import fcntl
import socket
import struct
from pathlib import Path

LOOPBACK = "127.0.0.1"
SIOCGIFADDR = 0x8915
"""Linux: the IPv4 address of an interface."""
INET6 = Path("/proc/net/if_inet6")


def named(address: str) -> str | None:
    """The interface with this IPv4 or IPv6 address; None where it cannot be told."""
    names = [name for _, name in socket.if_nameindex()]
    if ":" in address:
        return _named6(address)
    return next((name for name in names if _address4(name) == address), None)


def towards(host: str, port: int) -> str | None:
    """The address of this host from which `host` is reached; None where it is not. Nothing is
    sent."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(where)
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _address4(name: str) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            answer = fcntl.ioctl(asked, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        except OSError:  # it has none, or this is not Linux
            return None
    return socket.inet_ntoa(answer[20:24])


def _named6(address: str) -> str | None:
    wanted = socket.inet_pton(socket.AF_INET6, address.partition("%")[0]).hex()
    try:
        lines = INET6.read_text().splitlines()
    except OSError:
        return None
    return next((line.split()[-1] for line in lines if line.startswith(wanted)), None)
