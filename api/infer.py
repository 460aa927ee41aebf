"""`POST /v2/models/…/infer`, the hot path: an ASGI callable that stands before the application.

It does what the application's middleware does (key, id, size, count), and nothing besides. The
route of the same path in `routes/v2_infer.py` documents it, and answers by the same handler.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth import secret_in
from api.bodies import check_length, departure, read_body
from api.errors import body_of, problem_of
from api.packing import packed, unpacked
from api.request_ids import HEADER, request_id
from api.state import State
from services.errors import FieldError, Invalid
from services.keys import Scope as KeyScope
from services.serving.errors import Abandoned
from services.serving.prediction import infer

PREFIX = "/v2/models/"
SUFFIX = "/infer"
ROUTES = {
    False: "/v2/models/{name}/infer",
    True: "/v2/models/{name}/versions/{version}/infer",
}
"""Templates for the metrics, by whether the path names a version."""

JSON_HEADERS = [(b"content-type", b"application/json")]
TIMEOUT = b"x-request-timeout"
SECONDS = re.compile(rb"\d{1,9}(\.\d{1,9})?")

log = structlog.get_logger(__name__)

Headers = dict[bytes, bytes]
RawHeaders = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: RawHeaders
    body: bytes


def target_of(path: str) -> tuple[str, str | None] | None:
    """The model and version that an inference path names; None for any other path."""
    if not (path.startswith(PREFIX) and path.endswith(SUFFIX)):
        return None
    parts = path[len(PREFIX) : -len(SUFFIX)].split("/")
    if len(parts) == 1:
        return parts[0], None
    if len(parts) == 3 and parts[1] == "versions":
        return parts[0], parts[2]
    return None


async def respond(
    state: State, name: str, version: str | None, headers: Headers, receive: Receive
) -> Answer:
    """Read the request's body and answer it. Raises what the body or the model makes impossible."""
    body = await read_body(receive, state.max_body_bytes)
    body = await unpacked(body, headers.get(b"content-encoding"), limit=state.max_body_bytes)
    answer = answer_of(
        *await infer(
            state.engine,
            name,
            version,
            body,
            header_length=headers.get(b"inference-header-content-length"),
            timeout_s=timeout_s(headers.get(TIMEOUT)),
            gone=departure(receive),
        )
    )
    return await packed(answer, headers.get(b"accept-encoding"))


def answer_of(body: bytes, head_length: int | None) -> Answer:
    """`head_length`: of its JSON, where binary tensors follow it."""
    return Answer(200, headers_of(head_length), body)


def headers_of(head_length: int | None) -> RawHeaders:
    if head_length is None:
        return JSON_HEADERS
    length = (b"inference-header-content-length", b"%d" % head_length)
    return [(b"content-type", b"application/octet-stream"), length]


def timeout_s(header: bytes | None) -> float | None:
    """Of the header `X-Request-Timeout`: seconds, whole or with a point. Raises `Invalid`."""
    if header is None:
        return None
    if SECONDS.fullmatch(header) and (seconds := float(header)) > 0:
        return seconds
    got = header[:32].decode("latin-1")
    message = f"expected seconds above 0, such as 0.25, got {got!r}"
    raise Invalid(
        f"X-Request-Timeout: {message}", errors=(FieldError("X-Request-Timeout", message),)
    )


class InferFastPath:
    """Answers inference requests; hands everything else on to `app`."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            target = target_of(scope["path"])
            if target is not None:
                await self._infer(scope, receive, send, *target)
                return
        await self.app(scope, receive, send)

    async def _infer(
        self, scope: Scope, receive: Receive, send: Send, name: str, version: str | None
    ) -> None:
        started = time.perf_counter()
        headers: Headers = dict(scope["headers"])
        own_id = request_id(headers.get(HEADER))
        try:
            await self._check(headers)
            answer = await respond(self.state, name, version, headers, receive)
        except (ClientDisconnect, Abandoned):
            return
        except Exception as error:
            answer = refusal(error, own_id)
        await _send(send, answer, own_id)
        self.state.http_stats.of("POST", ROUTES[version is not None], answer.status).add(
            time.perf_counter() - started
        )

    async def _check(self, headers: Headers) -> None:
        await self.state.authenticator.require(KeyScope.PREDICT, secret_in(headers))
        check_length(headers.get(b"content-length"), self.state.max_body_bytes)


async def _send(send: Send, answer: Answer, own_id: bytes) -> None:
    length = (b"content-length", b"%d" % len(answer.body))
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [*answer.headers, length, (HEADER, own_id)],
        }
    )
    await send({"type": "http.response.body", "body": answer.body})


def refusal(error: Exception, own_id: bytes) -> Answer:
    problem = problem_of(error)
    status, body, media_type = body_of(problem, "v2")
    if status == 500:
        log.error("request_failed", request_id=own_id.decode(), exc_info=error)
    extra = [(key.lower().encode(), value.encode()) for key, value in problem["headers"].items()]
    return Answer(status, [(b"content-type", media_type.encode()), *extra], body)
