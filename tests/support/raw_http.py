"""HTTP as bytes over bare sockets, for tests of how bytes come, which clients hide."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx


def request(
    body: bytes, path: str, version: str = "1.1", fields: Sequence[str] = (), **headers: str | None
) -> bytes:
    """`headers` are written with `-` for `_`, and left out if None; `fields` are whole lines."""
    given: dict[str, str | None] = {"Host": "x", "Content-Length": str(len(body))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in given.items() if value is not None]
    return "\r\n".join([f"POST {path} HTTP/{version}", *lines, *fields, "", ""]).encode() + body


def connect(client: httpx.Client) -> socket.socket:
    """A connection to the server that `client` talks to."""
    url = client.base_url
    connection = socket.create_connection((url.host, url.port or 80), timeout=20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def talk(
    client: httpx.Client, parts: Sequence[bytes], answers: int, *, pause_s: float = 0.0
) -> list[tuple[int, bytes]]:
    """Send `parts` one by one over one connection. → the status and the body of each answer."""
    with connect(client) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_s)
        with connection.makefile("rb") as stream:
            return [read(stream) for _ in range(answers)]


def read(stream: Any) -> tuple[int, bytes]:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        assert line, f"the connection ended after {head!r}"
        head += line
    status = int(head.split()[1])
    if status == 100:
        return read(stream)
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert length
    return status, stream.read(int(length[1]))


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)
