"""The one table from what can go wrong to what HTTP says about it, and the forms it says it in.

`/v2` speaks the Open Inference Protocol's `{"error": …}`; everything else RFC 9457 problems.
"""

from __future__ import annotations

import http
import math
from collections.abc import Sequence
from typing import Any, Literal, TypedDict

import orjson
import structlog
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from models.errors import DatasetUnavailable, PipelineError
from services.errors import (
    Busy,
    Conflict,
    FieldError,
    Invalid,
    NotAllowed,
    NotFound,
    ServiceError,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from services.field_errors import field_errors
from services.serving.errors import Abandoned, Unsupported

log = structlog.get_logger(__name__)

Surface = Literal["v1", "v2"]
Headers = dict[str, str]

STATUS: dict[type[Exception], int] = {
    Invalid: 422,
    NotFound: 404,
    Conflict: 409,
    Unauthorized: 401,
    NotAllowed: 403,
    TooLarge: 413,
    Busy: 429,
    Unavailable: 503,
    Unsupported: 501,
    DatasetUnavailable: 409,
    PipelineError: 422,
}
"""By the class of the error, or the nearest class above it."""

STATUS_OF_CODE: dict[str, int] = {
    "invalid_json": 400,
    "invalid_encoding": 400,
    "invalid_http": 400,
    "invalid_multipart": 400,
    "incomplete_body": 400,
    "not_finite": 400,
    "not_text": 400,
    "model_loading": 503,
    "deadline_exceeded": 503,
    "unsupported_media_type": 415,
}
"""Codes that HTTP has a better word for than their class says."""

V2_STATUSES = frozenset({400, 401, 403, 404, 405, 413, 429, 500, 501, 503})
"""What the protocol's clients understand; every other status becomes 400 there."""

MAX_FIELDS = 20
"""So many fields at fault are named; nobody reads on, and an answer stays smaller than a body."""

GONE = (ClientDisconnect, Abandoned)
HANDLED = (ServiceError, PipelineError, RequestValidationError, HTTPException, *GONE)

ROUTING = {
    404: ("not_found", "there is nothing at this address; /docs shows what there is"),
    405: ("method_not_allowed", "this address does not take that method; see the header Allow"),
}


class Problem(TypedDict):
    status: int
    code: str
    detail: str
    errors: list[dict[str, str]]
    headers: Headers


def surface_of(path: str) -> Surface:
    return "v2" if path == "/v2" or path.startswith("/v2/") else "v1"


def problem_of(error: Exception) -> Problem:
    """What to say about `error`; an unknown one is said nothing about."""
    if isinstance(error, RequestValidationError):
        return _problem(422, "invalid_request", "the request is not valid", _fields(error))
    if isinstance(error, HTTPException):
        return _http_problem(error)
    if isinstance(error, GONE):
        return _problem(400, "incomplete_body", "the client went away")
    status = _status(error)
    if status == 500:
        return _problem(500, "internal", "an internal error; the service's log has the details")
    code: str = getattr(error, "code", "internal")
    detail = error.detail if isinstance(error, ServiceError) else str(error)
    fields = error.errors if isinstance(error, ServiceError) else ()
    return _problem(status, code, detail, fields, headers=_headers(error, status))


def body_of(problem: Problem, surface: Surface) -> tuple[int, bytes, str]:
    """→ status, body and media type, in the surface's form."""
    if surface == "v2":
        status = problem["status"] if problem["status"] in V2_STATUSES else 400
        return status, _json({"error": v2_text(problem)}), "application/json"
    body = {
        "type": f"urn:torchkiln:problem:{problem['code']}",
        "title": http.HTTPStatus(problem["status"]).phrase,
        "status": problem["status"],
        "detail": problem["detail"],
        "code": problem["code"],
        "errors": problem["errors"],
    }
    return problem["status"], _json(body), "application/problem+json"


def response_to(error: Exception, path: str) -> Response:
    problem = problem_of(error)
    status, body, media_type = body_of(problem, surface_of(path))
    return Response(body, status, problem["headers"], media_type)


def install(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Answer every exception that leaves a route in the contract's form."""

    async def handle(request: Request, error: Exception) -> Response:
        response = response_to(error, request.scope["path"])
        if response.status_code == 405:  # the framework names only the first route's methods
            response.headers["Allow"] = ", ".join(_methods(routers, request.scope["path"]))
        return response

    for kind in (*HANDLED, Exception):
        app.add_exception_handler(kind, handle)


def _methods(routers: Sequence[APIRouter], path: str) -> list[str]:
    """What the address takes."""
    scope = {"type": "http", "path": path, "method": "", "root_path": "", "headers": []}
    return sorted(
        {
            method
            for router in routers
            for route in router.routes
            if isinstance(route, APIRoute) and route.matches(scope)[0] is not Match.NONE
            for method in route.methods or ()
        }
    )


def _http_problem(error: HTTPException) -> Problem:
    """What the framework itself refuses: hardly more than an unknown address."""
    status = error.status_code
    code, detail = ROUTING.get(status, (f"http_{status}", str(error.detail)))
    return _problem(status, code, detail, headers=error.headers)


def _status(error: Exception) -> int:
    by_code = STATUS_OF_CODE.get(getattr(error, "code", ""))
    if by_code is not None:
        return by_code
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def _problem(
    status: int,
    code: str,
    detail: str,
    fields: tuple[FieldError, ...] = (),
    *,
    headers: Any = None,
) -> Problem:
    errors = [{"field": item.field, "message": item.message} for item in fields[:MAX_FIELDS]]
    if len(fields) > MAX_FIELDS:
        detail = f"{detail}; {len(fields)} fields are wrong, of which {MAX_FIELDS} are named"
    return Problem(
        status=status, code=code, detail=detail, errors=errors, headers=dict(headers or {})
    )


def _headers(error: Exception, status: int) -> Headers:
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="torchkiln"'}
    if isinstance(error, Busy):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    return {"Retry-After": "1"} if status == 503 else {}


def v2_text(problem: Problem) -> str:
    """One string: the sentence, and the fields if it does not name them itself."""
    named = [f"{item['field']}: {item['message']}" for item in problem["errors"]]
    said = [text for text in named if text.partition(": ")[2] not in problem["detail"]]
    return "; ".join([problem["detail"], *said])


def _fields(error: RequestValidationError) -> tuple[FieldError, ...]:
    """FastAPI's paths begin with where the value was: `body`, `query`, `path`."""
    found = [
        {**item, "loc": item["loc"][1:] if item["loc"][0] == "body" else item["loc"]}
        for item in error.errors()
    ]
    return field_errors(found)


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # half a surrogate pair in what a client sent
        return orjson.dumps(_clean(value))


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
