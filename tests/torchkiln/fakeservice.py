"""A small real HTTP server that says what a test tells it to say."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    broken: bool = False
    """The connection breaks off after the body, which was announced as longer."""


def reply(value: Any, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json"} | named)


def problem(status: int, code: str, detail: str = "", **fields: Any) -> Reply:
    body = {"type": "about:blank", "title": "T", "status": status, "detail": detail, "code": code}
    text = json.dumps(body | fields).encode()
    return Reply(status, text, {"Content-Type": "application/problem+json"})


def listing(*data: Any) -> Reply:
    return reply({"object": "list", "data": list(data), "has_more": False})


def sse(*events: Mapping[str, Any], broken: bool = False) -> Reply:
    parts = [
        f"id: {event['id']}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n"
        for event in events
    ]
    text = ": hello\n\n" + "".join(parts) + ("id: 99\nevent: met" if broken else "")
    return Reply(200, text.encode(), {"Content-Type": "text/event-stream"}, broken=broken)


Answer = Reply | Callable[[Request], Reply]


class FakeService:
    """`answers[path]` is one answer for good, or a list of them, one a request, the last for good.

    A path may be written with its query or without.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer | list[Answer]] = {}
        self.requests: list[Request] = []
        self.url = ""

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        bare = request.path.partition("?")[0]
        found = self.answers.get(request.path, self.answers.get(bare))
        if found is None:
            return problem(404, "not_found", f"nothing at {request.path}")
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return found if isinstance(found, Reply) else found(request)


@contextmanager
def running() -> Generator[FakeService]:
    service = FakeService()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            request = Request(self.command, self.path, dict(self.headers), body)
            answer = service.answer(request)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + answer.broken))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:
            """Not into the test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
