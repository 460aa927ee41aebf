from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable

import httpx
import pytest
from sqlalchemy import event

from api import auth
from api.auth import Authenticator, needed
from services.container import Container
from services.errors import NotAllowed, Unauthorized, Unavailable
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


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # pyright: ignore[reportArgumentType]


class Clock:
    """Time as the cache sees it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(auth, "time", self)

    def monotonic(self) -> float:
        return self.now


def test_a_key_is_looked_up_once_in_a_while_and_a_revoked_one_is_noticed_then(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    row, secret = container.keys.create("k", ["predict"])
    queries: list[str] = []
    event.listen(
        container.db.engine, "before_cursor_execute", lambda *args: queries.append(args[2])
    )

    async def test() -> None:
        authenticator = Authenticator(container.keys)
        for _ in range(100):
            await authenticator.require(Scope.PREDICT, secret.encode())
        assert len([query for query in queries if "sha256" in query]) == 1
        with pytest.raises(NotAllowed):
            await authenticator.require(Scope.READ, secret.encode())
        container.keys.revoke(row.id)
        await authenticator.require(Scope.PREDICT, secret.encode())
        clock.now += auth.FRESH_S + 1
        with pytest.raises(Unauthorized):
            await authenticator.require(Scope.PREDICT, secret.encode())

    run(test)


def test_predictions_go_on_for_a_while_without_the_database(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    _, secret = container.keys.create("k", ["predict"])

    def fail(*_: object) -> None:
        raise Unavailable("the database does not answer")

    async def test() -> None:
        authenticator = Authenticator(container.keys)
        await authenticator.require(Scope.PREDICT, secret.encode())
        monkeypatch.setattr(container.keys, "authenticate", fail)
        monkeypatch.setattr(container.keys, "any", fail)
        clock.now += auth.STALE_S - 1
        await authenticator.require(Scope.PREDICT, secret.encode())
        with pytest.raises(Unavailable):
            await authenticator.require(Scope.PREDICT, b"tk_another")
        clock.now += auth.FRESH_S + 1
        with pytest.raises(Unavailable):
            await authenticator.require(Scope.PREDICT, secret.encode())

    run(test)


def test_a_database_that_hangs_holds_up_no_known_key_for_long(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setattr(auth, "PATIENCE_S", 0.01)
    _, secret = container.keys.create("k", ["predict"])
    hanging = threading.Event()
    asked = 0

    def hang(_: str) -> None:
        nonlocal asked
        asked += 1
        hanging.wait(20)

    async def test() -> None:
        authenticator = Authenticator(container.keys)
        await authenticator.require(Scope.PREDICT, secret.encode())
        monkeypatch.setattr(container.keys, "authenticate", hang)
        clock.now += auth.FRESH_S + 1
        for _ in range(10):
            await authenticator.require(Scope.PREDICT, secret.encode())
        assert asked == 1
        hanging.set()

    run(test)


def test_after_a_pause_a_key_is_asked_for_once_however_many_come(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    row, secret = container.keys.create("k", ["predict"])
    key = secret.encode()
    queries: list[str] = []
    event.listen(
        container.db.engine, "before_cursor_execute", lambda *args: queries.append(args[2])
    )

    async def test() -> None:
        authenticator = Authenticator(container.keys)
        assert authenticator.news(key, clock.now) is None  # nothing is known yet
        await authenticator.require(Scope.PREDICT, key)
        assert authenticator.allows(Scope.PREDICT, key, clock.now)
        assert not authenticator.allows(Scope.READ, key, clock.now)
        assert authenticator.news(key, clock.now) is None  # and this is no old news
        queries.clear()
        clock.now += auth.FRESH_S + 1
        assert not authenticator.allows(Scope.PREDICT, key, clock.now)
        several = [authenticator.news(key, clock.now) for _ in range(64)]
        await asyncio.gather(
            *(one for one in several if one is not None),
            *(authenticator.require(Scope.PREDICT, key) for _ in range(64)),
        )
        assert None not in several
        assert len([query for query in queries if "sha256" in query]) == 1
        assert authenticator.allows(Scope.PREDICT, key, clock.now)
        container.keys.revoke(row.id)
        clock.now += auth.FRESH_S + 1
        again = authenticator.news(key, clock.now)
        assert again is not None
        await again
        assert not authenticator.allows(Scope.PREDICT, key, clock.now)
        assert authenticator.news(key, clock.now) is None

    run(test)


def test_what_nobody_waits_for_any_more_may_fail(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a word of asyncio's about an exception that nobody has taken."""
    clock = Clock(monkeypatch)
    _, secret = container.keys.create("k", ["predict"])

    def fail(_: str) -> None:
        raise Unavailable("the database does not answer")

    async def test() -> None:
        said: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        authenticator = Authenticator(container.keys)
        await authenticator.require(Scope.PREDICT, secret.encode())
        monkeypatch.setattr(container.keys, "authenticate", fail)
        clock.now += auth.FRESH_S - auth.AHEAD_S / 2
        assert authenticator.allows(Scope.PREDICT, secret.encode(), clock.now)
        clock.now += auth.STALE_S + 1
        assert authenticator.news(secret.encode(), clock.now) is not None
        while authenticator._asking or authenticator._recalling:
            await asyncio.sleep(0.01)
        gc.collect()
        assert said == []
        with pytest.raises(Unavailable):
            await authenticator.require(Scope.PREDICT, secret.encode())

    run(test)


def test_the_first_key_closes_the_service_and_revoking_it_does_not_open_it(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)

    async def test() -> None:
        authenticator = Authenticator(container.keys)
        await authenticator.require(Scope.ADMIN, None)
        row, _ = container.keys.create("k", ["read"])
        clock.now += auth.FRESH_S + 1
        for _ in range(2):
            with pytest.raises(Unauthorized):
                await authenticator.require(Scope.READ, None)
            container.keys.revoke(row.id)
            clock.now += auth.FRESH_S + 1

    run(test)


def test_guessing_does_not_fill_the_memory(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "MAX_REMEMBERED", 5)
    container.keys.create("k", ["read"])

    async def test() -> None:
        authenticator = Authenticator(container.keys)
        for number in range(20):
            with pytest.raises(Unauthorized):
                await authenticator.require(Scope.READ, b"tk_%d" % number)
        assert len(authenticator._known) <= 5

    run(test)


def test_every_route_that_changes_something_needs_more_than_read(api: Api) -> None:
    from api.routes import ROUTERS

    for router in ROUTERS["all"]:
        for route in router.routes:
            for method in getattr(route, "methods", set()) - {"GET", "HEAD"}:
                assert needed(method, route.path) not in (None, Scope.READ)
