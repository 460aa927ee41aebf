"""The open loop: requests leave at a constant rate, whatever the server does.

A process of its own, alone on its core, which it burns: `Settings` as JSON on stdin, an `OpenLoad`
as JSON on stdout. It imports nothing heavy, because it is started for every run.
"""

from __future__ import annotations

import base64
import gc
import json
import select
import socket
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass, field

from benchmarks.serving.http_answers import Refused, is_whole
from benchmarks.serving.load import LoadFailed
from benchmarks.serving.openloop_stats import OpenLoad, due_s, is_late, summary

DRAIN_S = 10.0
"""For the requests that were due but are not answered at the end."""
RECEIVED = 1 << 18
LEAD_S = 0.01


@dataclass(frozen=True)
class Settings:
    host: str
    port: int
    request: str
    """The bytes of the whole request, in base64."""
    connections: int
    rate: float
    seconds: float


@dataclass
class _Connection:
    socket: socket.socket
    free_since: float = 0.0
    due: float = 0.0
    received: bytes = b""


@dataclass
class _Loop:
    payload: bytes
    poll: select.epoll
    connections: dict[int, _Connection]
    free: deque[_Connection]
    latencies: list[float] = field(default_factory=list[float])
    late: int = 0

    def send(self, due: float, now: float) -> None:
        connection = self.free.popleft()
        if is_late(due, connection.free_since, now):
            self.late += 1
        connection.due = due
        connection.socket.sendall(self.payload)

    def receive(self) -> None:
        """Take what has come, without waiting."""
        for descriptor, _ in self.poll.poll(0):
            connection = self.connections[descriptor]
            chunk = connection.socket.recv(RECEIVED)
            if not chunk:
                raise LoadFailed("the server closed a connection")
            connection.received += chunk
            if is_whole(connection.received):
                now = time.perf_counter()
                self.latencies.append(now - connection.due)
                connection.received, connection.free_since = b"", now
                self.free.append(connection)


def run(settings: Settings) -> OpenLoad:
    """Raises `LoadFailed` where a request fails, or the server falls behind for good."""
    loop = _connected(settings)
    try:
        _drive(loop, settings)
    except (OSError, Refused) as error:
        raise LoadFailed(str(error)) from error
    return summary(loop.latencies, loop.late, rate=settings.rate, seconds=settings.seconds)


def _connected(settings: Settings) -> _Loop:
    opened = [
        socket.create_connection((settings.host, settings.port))
        for _ in range(settings.connections)
    ]
    poll = select.epoll()
    connections: dict[int, _Connection] = {}
    for one in opened:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(one, select.EPOLLIN)
        connections[one.fileno()] = _Connection(one)
    payload = base64.b64decode(settings.request)
    return _Loop(payload, poll, connections, deque(connections.values()))


def _drive(loop: _Loop, settings: Settings) -> None:
    total = int(settings.rate * settings.seconds)
    start = time.perf_counter() + LEAD_S
    deadline = start + settings.seconds + DRAIN_S
    sent = 0
    while len(loop.latencies) < total:
        now = time.perf_counter()
        while sent < total and loop.free and (due := start + due_s(sent, settings.rate)) <= now:
            loop.send(due, now)
            sent += 1
            now = time.perf_counter()
        loop.receive()
        if now > deadline:
            raise LoadFailed(
                f"expected {total} answers at {settings.rate:.0f} a second, got "
                f"{len(loop.latencies)} until {DRAIN_S:.0f} s after the end"
            )


def main() -> int:
    settings = Settings(**json.load(sys.stdin))
    gc.disable()  # its pauses would be taken for the server's
    try:
        print(json.dumps(asdict(run(settings))))
    except LoadFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
