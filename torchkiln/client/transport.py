"""One HTTP exchange with the service: request out, answer or exception back."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx
import orjson

from torchkiln.errors import (
    Damaged,
    FieldProblem,
    Problem,
    TorchkilnError,
    Unreachable,
    refusal,
)
from torchkiln.types import Array, Json

CONNECT_S = 10.0
PAGE = 200
"""The most that a page of a list may hold."""


def path(*parts: str | int) -> str:
    """`/a/b/c`, each part quoted, so that a name can never reach another route."""
    for part in parts:
        if part in {"", ".", ".."}:
            raise TorchkilnError(f"{part!r} is not a name")
    return "".join(f"/{quote(str(part), safe='@')}" for part in parts)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Transport:
    """Speaks JSON with one service. Not for use by several threads at once."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def close(self) -> None:
        self._http.close()

    def get(self, url: str, **params: Any) -> Json:
        given = {key: value for key, value in params.items() if value is not None}
        return self.send("GET", url, params=given)

    def get_also(self, url: str, status: int) -> Json:
        """The same, where `status` is an answer like any other and no refusal."""
        with self.reach():
            response = self._http.get(url)
        if response.is_error and response.status_code != status:
            raise refusal(problem_of(response))
        return _decode(response)

    def whole_list(self, url: str, key: str) -> list[Json]:
        """Every item of a list that is read page by page; `key` is the field to go on after."""
        items: list[Json] = []
        more = True
        while more:
            found = self.get(url, limit=PAGE, after=items[-1][key] if items else None)
            items += found["data"]
            more = bool(found["has_more"]) and bool(found["data"])
        return items

    def post(self, url: str, body: object, headers: Mapping[str, str] | None = None) -> Json:
        """Send JSON. Arrays and tensors in `body` are sent as nested lists."""
        return self.send("POST", url, content=_encode(body), headers=_json(headers))

    def put(self, url: str, body: object) -> Json:
        return self.send("PUT", url, content=_encode(body), headers=_json(None))

    def send(self, method: str, url: str, **kwargs: Any) -> Json:
        """Any request whose answer is a JSON object, or nothing (→ an empty dictionary).

        Raises `Unreachable`, or the `Refused` that fits an error status.
        """
        with self.reach():
            response = self._http.request(method, url, **kwargs)
        if response.is_error:
            raise refusal(problem_of(response))
        return _decode(response) if response.content else {}

    @contextmanager
    def stream(self, method: str, url: str, **kwargs: Any) -> Generator[httpx.Response]:
        """A response whose body is still to be read; its status is a good one."""
        with self.reach(), self._http.stream(method, url, **kwargs) as response:
            if response.is_error:
                response.read()
                raise refusal(problem_of(response))
            yield response

    def download(self, url: str, target: Path, *, sha256: str | None = None) -> Path:
        """Fetch the bytes at `url` into the file `target`, whole or not at all. → `target`.

        Raises `Damaged` if they are not those that `sha256` was announced for.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file, self.stream("GET", url) as response:
                for chunk in response.iter_bytes():
                    digest.update(chunk)
                    file.write(chunk)
            if sha256 is not None and digest.hexdigest() != sha256:
                raise Damaged(
                    f"{url}: expected SHA-256 {sha256}, got bytes with {digest.hexdigest()}"
                )
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    @contextmanager
    def reach(self) -> Generator[None]:
        """Turns httpx's exceptions into `Unreachable`."""
        where = self._http.base_url
        try:
            yield
        except httpx.TimeoutException as error:
            raise Unreachable(f"{where} did not answer in time ({_name(error)})") from error
        except httpx.TransportError as error:
            raise Unreachable(f"cannot reach {where}: {error or _name(error)}") from error
        except (httpx.InvalidURL, httpx.DecodingError, httpx.TooManyRedirects) as error:
            raise TorchkilnError(f"{where}: {error}") from error


def problem_of(response: httpx.Response) -> Problem:
    """The problem that an error answer tells of, whoever wrote it: `/v1`, `/v2`, a proxy."""
    body = _object(response)
    v2_message = body.get("error")
    detail = body.get("detail", v2_message)
    title = str(body.get("title") or response.reason_phrase or "error")
    return Problem(
        status=response.status_code,
        code=str(body.get("code") or f"http_{response.status_code}"),
        title=title,
        detail=detail if isinstance(detail, str) else f"{response.status_code} {title}",
        errors=_fields(body.get("errors")),
        retry_after_s=_seconds(response.headers.get("Retry-After")),
        request_id=response.headers.get("X-Request-Id"),
    )


def _fields(value: object) -> tuple[FieldProblem, ...]:
    if not isinstance(value, list):
        return ()
    items = cast(list[object], value)
    pairs = [cast(Json, item) for item in items if isinstance(item, dict)]
    return tuple(
        FieldProblem(str(pair.get("field", "")), str(pair.get("message", ""))) for pair in pairs
    )


def _seconds(header: str | None) -> float | None:
    try:
        return None if header is None else float(header)
    except ValueError:  # an HTTP date: legal, but not what the service sends
        return None


def _object(response: httpx.Response) -> Json:
    try:
        body: object = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return {}
    return cast(Json, body) if isinstance(body, dict) else {}


def _decode(response: httpx.Response) -> Json:
    try:
        body: object = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    if isinstance(body, dict):
        return cast(Json, body)
    kind = response.headers.get("Content-Type", "no type")
    problem = Problem(
        status=response.status_code,
        code="not_the_contract",
        title="not a torchkiln service?",
        detail=f"{response.url} answered with {kind} where a JSON object was expected",
    )
    raise refusal(problem)


def _encode(body: object) -> bytes:
    try:
        return orjson.dumps(body, default=_nested_lists, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise TorchkilnError(f"the request cannot be written as JSON: {error}") from error


def json_content(body: object) -> dict[str, Any]:
    """What `send` or `stream` take for a body of JSON."""
    return {"content": _encode(body), "headers": _json(None)}


def _nested_lists(value: object) -> object:
    """For what JSON has no word for: tensors, and arrays in an order that is not C's."""
    if isinstance(value, Array):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _json(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {"Content-Type": "application/json", **(headers or {})}


def _name(error: Exception) -> str:
    return type(error).__name__
