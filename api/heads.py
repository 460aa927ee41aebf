"""Heads of inference requests, parsed once for all requests that have the same, byte for byte.

A client's requests differ in their bodies and hardly in their heads. The parser is the one that
reads every other request too, so what it refuses is refused here; and what is in any way unusual is
left to the application, by saying None.
"""

from __future__ import annotations

from dataclasses import dataclass

import httptools

from api.auth import secret_in
from api.infer import TIMEOUT, target_of, timeout_s
from api.packing import asks
from api.request_ids import GIVEN, HEADER
from api.tracing import TRACEPARENT, traceparent_in
from services.errors import Invalid
from services.serving.prediction import head_size

MAX_HEAD = 4096
"""Bytes of a head that is worth keeping."""
MAX_HEADS = 256
"""Then all are forgotten, which costs each client one more parse."""

UNUSUAL = frozenset({b"transfer-encoding", b"content-encoding", b"expect", b"upgrade", b"te"})
"""Headers of requests that the application answers."""
ONCE = frozenset({b"content-length", b"authorization", b"x-api-key", b"host", TRACEPARENT})
PLAIN_PATH = frozenset(b"/-._ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@")


@dataclass(frozen=True, slots=True)
class Head:
    target: tuple[str, str | None]
    """The name of the model, and the version if the path has one."""
    length: int
    """Bytes of the body."""
    header_length: bytes | None
    head_size: int | None
    """That as `prediction.head_size` reads it."""
    secret: bytes | None
    given_id: bytes | None
    timeout_s: float | None
    traceparent: str | None
    """The caller's span, as it came."""


class Heads(dict[bytes, Head | None]):
    """By all the bytes up to the end of the empty line. None: not for the fast path.

    A dictionary that parses what it lacks, so that to find what it has is no call in Python.
    """

    def __init__(self, max_body: int) -> None:
        super().__init__()
        self._max_body = max_body

    def __missing__(self, block: bytes) -> Head | None:
        if len(block) > MAX_HEAD or not block.startswith(b"POST /v2/models/"):
            return None
        head = _parse(block, self._max_body)
        # Ids differ from request to request.
        if head is not None and head.given_id is None and head.traceparent is None:
            if len(self) >= MAX_HEADS:
                self.clear()
            self[block] = head
        return head


class _Collector:
    """What the parser finds, as its callbacks tell it."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.complete = True


def _parse(block: bytes, max_body: int) -> Head | None:
    found = _Collector()
    parser = httptools.HttpRequestParser(found)
    try:
        parser.feed_data(block)
    except httptools.HttpParserError:  # and HttpParserUpgrade, which is one
        return None
    usual = found.complete and parser.get_http_version() == "1.1" and parser.should_keep_alive()
    if not usual or not PLAIN_PATH.issuperset(found.url):
        return None
    names = [name for name, _ in found.headers]
    headers = dict(found.headers)
    if asks(headers.get(b"accept-encoding")):
        return None
    if not UNUSUAL.isdisjoint(names) or any(names.count(name) > 1 for name in ONCE):
        return None
    return _head(found.url, headers, max_body)


def _head(url: bytes, headers: dict[bytes, bytes], max_body: int) -> Head | None:
    target = target_of(url.decode("ascii"))
    length = headers.get(b"content-length", b"")
    if target is None or not length.isdigit() or len(length) > 15 or int(length) > max_body:
        return None
    try:
        patience = timeout_s(headers.get(TIMEOUT))
    except Invalid:
        return None
    given = headers.get(HEADER)
    json_length = headers.get(b"inference-header-content-length")
    return Head(
        target,
        int(length),
        json_length,
        head_size(json_length),
        secret_in(headers),
        given if given is not None and GIVEN.fullmatch(given) else None,
        patience,
        traceparent_in(headers),
    )
