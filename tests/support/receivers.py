"""A receiver of webhooks: a real HTTP server that answers as a test says."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

HEADS = {
    "/hang": b"",
    "/drip": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "/endless": b"HTTP/1.1 200 OK\r\n\r\n",
}
"""How the answers begin that do not end."""


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    """Their names in lower case."""
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def json(self) -> dict[str, Any]:
        return orjson.loads(self.body)


@dataclass
class Receiver:
    host: str
    answers: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """By path: the statuses of one answer after the other, of which the last is for good."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """In every answer."""
    received: list[Received] = field(default_factory=list[Received])
    let_go: threading.Event = field(default_factory=threading.Event)
    """Until then `/hang` says nothing, `/drip` never ends its head and `/endless` its body."""

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}{path}"

    def at(self, path: str) -> list[Received]:
        return [one for one in self.received if one.path == path]

    def status(self, path: str) -> int:
        left = self.answers.get(path, [204])
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def receiver() -> Generator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.received.append(Received(self.path, headers, body))
            if self.path in HEADS:
                self.go_on(HEADS[self.path])
                return
            self.send_response(made.status(self.path))
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def go_on(self, head: bytes) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):  # it was not waited for
                self.wfile.write(head)
                while not made.let_go.wait(0.02):
                    self.wfile.write(b"x" if head else b"")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Receiver(f"127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made
    finally:
        made.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()
