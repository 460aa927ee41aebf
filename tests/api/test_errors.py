from __future__ import annotations

import orjson
import pytest

from api.errors import body_of, problem_of, response_to, surface_of
from models.errors import DatasetUnavailable, Diverged
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
from services.serving.errors import Unsupported

EVERY_ERROR: list[tuple[Exception, int, int]] = [
    (Invalid("x"), 422, 400),
    (Invalid("x", code="invalid_json"), 400, 400),
    (Invalid("x", code="not_finite"), 400, 400),
    (NotFound("x"), 404, 404),
    (Conflict("x"), 409, 400),
    (Unauthorized("x"), 401, 401),
    (NotAllowed("x"), 403, 403),
    (TooLarge("x"), 413, 413),
    (Busy("x"), 429, 429),
    (Busy("x", code="model_loading"), 503, 503),
    (Unavailable("x"), 503, 503),
    (Unsupported("x"), 501, 501),
    (Unsupported("x", code="unsupported_media_type"), 415, 400),
    (DatasetUnavailable("x"), 409, 400),
    (Diverged("x"), 422, 400),
    (ServiceError("x"), 500, 500),
    (RuntimeError("x"), 500, 500),
]


@pytest.mark.parametrize(("error", "v1", "v2"), EVERY_ERROR)
def test_every_error_has_a_status_on_either_surface(error: Exception, v1: int, v2: int) -> None:
    response = response_to(error, "/v1/jobs")
    assert response.status_code == v1
    assert response.media_type == "application/problem+json"
    body = orjson.loads(response.body)
    assert list(body) == ["type", "title", "status", "detail", "code", "errors"]
    assert body["status"] == v1
    assert body["type"].endswith(body["code"])
    other = response_to(error, "/v2/models/m/infer")
    assert other.status_code == v2
    assert list(orjson.loads(other.body)) == ["error"]


def every_service_error(kind: type[ServiceError]) -> list[type[ServiceError]]:
    return [kind, *(found for sub in kind.__subclasses__() for found in every_service_error(sub))]


def test_no_service_error_but_their_base_is_an_internal_error() -> None:
    for kind in every_service_error(ServiceError)[1:]:
        assert problem_of(kind("x"))["status"] < 500 or kind in (Unavailable, Unsupported)


def test_an_unknown_error_is_not_talked_about() -> None:
    body = response_to(RuntimeError("/srv/secret: password=1"), "/v1").body
    assert b"secret" not in body
    assert orjson.loads(body)["code"] == "internal"


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Busy("x", retry_after_s=0.2), "1"),
        (Busy("x", retry_after_s=2.1), "3"),
        (Unavailable("x"), "1"),
    ],
)
def test_who_may_come_again_is_told_when(error: Exception, seconds: str) -> None:
    assert response_to(error, "/v1").headers["Retry-After"] == seconds


def test_who_has_no_key_is_told_how_to_show_one() -> None:
    assert response_to(Unauthorized("x"), "/v2").headers["WWW-Authenticate"].startswith("Bearer")


def test_on_v2_the_sentence_names_the_fields_once() -> None:
    fields = (FieldError("a", "expected 1"), FieldError("b", "expected 2"))
    problem = problem_of(Invalid("a: expected 1", errors=fields))
    assert orjson.loads(body_of(problem, "v2")[1]) == {"error": "a: expected 1; b: expected 2"}


def test_half_a_surrogate_pair_does_not_spoil_the_answer() -> None:
    for path in ("/v1", "/v2"):
        assert b"?" in response_to(NotFound("no job \ud800"), path).body


@pytest.mark.parametrize(
    ("path", "surface"),
    [("/v2", "v2"), ("/v2/", "v2"), ("/v2/models", "v2"), ("/v22", "v1"), ("/healthz", "v1")],
)
def test_the_surface_is_told_by_the_path(path: str, surface: str) -> None:
    assert surface_of(path) == surface


def test_no_more_fields_are_named_than_anybody_reads() -> None:
    fields = tuple(FieldError(f"f{number}", "unknown field") for number in range(1000))
    problem = problem_of(Invalid("the request is not valid", errors=fields))
    assert len(problem["errors"]) == 20
    assert "1000 fields are wrong" in problem["detail"]
