"""Reading bodies: no further than they may be long, and JSON only as it is written in RFC 8259."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from api.state import state_of
from services.errors import FieldError, Invalid, TooLarge
from services.field_errors import field_errors
from services.serving.errors import Unsupported
from services.serving.gone import Gone

SILENCE_S = 30.0
"""A client that sends nothing more of its body for so long is not waited for."""

Model = TypeVar("Model", bound=BaseModel)


def check_length(content_length: bytes | None, limit: int) -> None:
    """Refuse a body by its announced length, before any of it is read."""
    # A server has parsed the header already; other callers of an ASGI app may not have.
    if content_length is None or not content_length.isdigit():
        return
    if len(content_length) > 18 or int(content_length) > limit:
        raise TooLarge(f"expected a body of at most {limit} bytes, got more")


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises `TooLarge`, `Invalid` when it stops coming, `ClientDisconnect`."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        return await _read_on([body], receive, limit)
    if len(body) > limit:
        raise TooLarge(f"expected a body of at most {limit} bytes, got more")
    return body


async def _read_on(parts: list[bytes], receive: Receive, limit: int) -> bytes:
    size = len(parts[0])
    more = True
    while more:
        if size > limit:
            raise TooLarge(f"expected a body of at most {limit} bytes, got more")
        try:
            async with asyncio.timeout(SILENCE_S):
                message = await receive()
        except TimeoutError:
            raise Invalid(f"the body stopped after {size} bytes", code="incomplete_body") from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        parts.append(part)
        size += len(part)
        more = message.get("more_body", False)
    if size > limit:
        raise TooLarge(f"expected a body of at most {limit} bytes, got more")
    return b"".join(parts)


def departure(receive: Receive) -> Gone:
    """What returns once the client of a request whose body has been read goes away."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    return gone


def parse_json(body: bytes) -> Any:
    """Raises `Invalid` for what is no JSON: NaN, 1e999, half surrogate pairs, endless nesting."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"the body is not JSON: {error}", code="invalid_json") from None
    if b"\\u0000" in body and (where := _nul_in(value)):
        message = "expected text without NUL characters"
        raise Invalid(f"{where}: {message}", errors=(FieldError(where, message),))
    return value


def _nul_in(value: Any) -> str | None:
    """The dotted path of a string with a NUL, which PostgreSQL cannot hold."""
    waiting: list[tuple[str, Any]] = [("body", value)]
    while waiting:
        path, item = waiting.pop()
        if isinstance(item, str) and "\x00" in item:
            return path.removeprefix("body.")
        if isinstance(item, dict):
            for key, inner in item.items():
                if "\x00" in key:
                    return path.removeprefix("body.")
                waiting.append((f"{path}.{key}", inner))
        elif isinstance(item, list):
            waiting += [(f"{path}.{index}", inner) for index, inner in enumerate(item)]
    return None


def json_body(
    model: type[Model], *, optional: bool = False
) -> Callable[[Request], Awaitable[Model]]:
    """A FastAPI dependency: the request's JSON as `model`, every field at fault named. With
    `optional` no body is an empty object."""

    async def read(request: Request) -> Model:
        body: bytes | None = None
        if optional and not (body := await _body_of(request)).strip():
            return model()
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        # A browser sends other types across origins without asking; a service that listens on
        # loopback without keys must not take orders from any page.
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise Unsupported(
                f"expected Content-Type application/json, got {media_type[:64] or 'none'!r}",
                code="unsupported_media_type",
            )
        value = parse_json(await _body_of(request) if body is None else body)
        try:
            return model.model_validate(value)
        except ValidationError as error:
            fields = field_errors(error.errors(include_url=False), model)
            raise Invalid("the request is not valid", errors=fields) from None

    return read


async def _body_of(request: Request) -> bytes:
    return await read_body(request.receive, state_of(request).max_body_bytes)


def json_docs(model: type[BaseModel], *, optional: bool = False) -> dict[str, Any]:
    """`openapi_extra` of a route that reads `model` by `json_body`. Models within it are in the
    schema's `$defs`, which `api/openapi.py` moves to where its references look for them."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": not optional, "content": content}}
