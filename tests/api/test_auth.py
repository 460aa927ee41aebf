from __future__ import annotations

import httpx
import pytest

from api.auth import needed
from services.container import Container
from services.keys import Scope
from tests.api.conftest import Api

NOBODYS = ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/docs", "/openapi.json"]


@pytest.mark.parametrize("path", NOBODYS)
def test_health_and_documentation_need_no_key(path: str) -> None:
    assert needed("GET", path) is None


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/jobs", Scope.READ),
        ("HEAD", "/v1/jobs", Scope.READ),
        ("GET", "/metrics", Scope.READ),
        ("GET", "/v1/models/m/versions/1/files/model.onnx", Scope.READ),
        ("POST", "/v1/jobs", Scope.TRAIN),
        ("POST", "/v1/jobs/job_1/kill", Scope.TRAIN),
        ("POST", "/v1/benchmarks", Scope.TRAIN),
        ("PUT", "/v1/models/m/aliases/champion", Scope.TRAIN),
        ("PUT", "/v1/models/m/versions/1/backends/eager", Scope.TRAIN),
        ("DELETE", "/v1/models/m/aliases/champion", Scope.TRAIN),
        ("DELETE", "/v1/models/m/versions/1", Scope.ADMIN),
        ("POST", "/v1/models/m@2/predict", Scope.PREDICT),
        ("GET", "/v1/models/m/versions/1/summary", Scope.READ),
        ("GET", "/v1/models/m/versions/1/weights/net.0.png", Scope.READ),
        ("POST", "/v1/models/m/versions/1/activations", Scope.PREDICT),
        ("POST", "/v1/models/m/versions/1/gradients", Scope.PREDICT),
        ("POST", "/v1/models/m/versions/champion/features", Scope.PREDICT),
        ("POST", "/v1/models/m/versions", Scope.TRAIN),
        ("POST", "/v2/models/m/infer", Scope.PREDICT),
        ("POST", "/v2/models/m/versions/1/infer", Scope.PREDICT),
        ("GET", "/v2", Scope.PREDICT),
        ("GET", "/v2/models/m/stats", Scope.PREDICT),
        ("POST", "/v2/repository/index", Scope.PREDICT),
        ("POST", "/v2/repository/models/m/load", Scope.ADMIN),
        ("POST", "/v2/repository/models/m/unload", Scope.ADMIN),
        ("POST", "/v1/datasets", Scope.TRAIN),
        ("DELETE", "/v1/datasets/digits", Scope.ADMIN),
        ("PATCH", "/anything", Scope.ADMIN),
        ("POST", "/healthz", None),
        ("GET", "/healthz/x", Scope.READ),
        ("POST", "/v1/models/a/b/predict", Scope.ADMIN),
        ("POST", "/v1/jobs\n", Scope.ADMIN),
    ],
)
def test_what_a_request_needs(method: str, path: str, scope: Scope | None) -> None:
    assert needed(method, path) == scope


@pytest.fixture
def secrets(container: Container) -> dict[str, str]:
    """A key for each scope."""
    return {scope: container.keys.create(scope, [scope])[1] for scope in Scope}


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_without_any_key_everybody_may_do_everything(client: httpx.Client) -> None:
    assert client.get("/v1/jobs").is_success
    assert client.get("/v1/jobs", headers=bearer("whatever")).is_success


def test_a_key_opens_what_its_scope_says_and_no_more(
    secrets: dict[str, str], client: httpx.Client
) -> None:
    asked = {
        Scope.READ: ("GET", "/v1/jobs"),
        Scope.PREDICT: ("POST", "/v2/models/nope/infer"),
        Scope.TRAIN: ("POST", "/v1/jobs/nope/cancel"),
        Scope.ADMIN: ("DELETE", "/v1/models/nope/versions/1"),
    }
    for held, secret in secrets.items():
        for scope, (method, path) in asked.items():
            for headers in (bearer(secret), {"X-API-Key": secret}):
                status = client.request(method, path, headers=headers).status_code
                allowed = held in (scope, Scope.ADMIN)
                assert (status != 403) == allowed, (held, scope)
                assert status in ({200, 400, 404} if allowed else {403})


@pytest.mark.parametrize("path", ["/v1/jobs", "/v2/models/m/infer", "/v1/nope", "/v2/nope"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer tk_wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": ""},
        {"X-API-Key": "tk_wrong"},
        {"X-API-Key": ""},
        {"X-API-Key": "\xff\xfe"},
    ],
)
@pytest.mark.usefixtures("secrets")
def test_who_has_no_good_key_is_refused(
    client: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    response = client.post(
        path, headers={name: value.encode("latin-1") for name, value in headers.items()}
    )
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.headers["X-Request-Id"]
    assert ("error" in response.json()) == path.startswith("/v2")


@pytest.mark.usefixtures("secrets")
def test_no_body_is_read_for_who_has_no_key(client: httpx.Client) -> None:
    assert client.post("/v1/jobs", content=b"{" * 1000).status_code == 401


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("path", NOBODYS)
def test_the_open_addresses_stay_open(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code in {200, 503}


def test_every_route_that_changes_something_needs_more_than_read(api: Api) -> None:
    from api.routes import ROUTERS

    for router in ROUTERS["all"]:
        for route in router.routes:
            for method in getattr(route, "methods", set()) - {"GET", "HEAD"}:
                assert needed(method, route.path) not in (None, Scope.READ)
