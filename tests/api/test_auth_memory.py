"""What is remembered of API keys between requests, and for how long."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import event

from api import auth
from api.auth import Authenticator
from services.container import Container
from services.errors import NotAllowed, Unauthorized, Unavailable
from services.keys import Scope


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
