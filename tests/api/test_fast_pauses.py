"""The short way after a pause, in which what was known of keys has become too old."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from services.container import Container
from services.keys import Scope
from tests.api.conftest import Api, served
from tests.api.test_fast import GOOD, PATH, known
from tests.support.published import add_version
from tests.support.raw_http import connect, read, request, until

MANY = 16


class Database:
    """Counts how often it is asked for a key, and answers once it may."""

    def __init__(self, container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self.open = threading.Event()
        self.open.set()
        self._authenticate = container.keys.authenticate
        monkeypatch.setattr(container.keys, "authenticate", self)

    def __call__(self, secret: str) -> frozenset[Scope]:
        self.asked += 1
        assert self.open.wait(20)
        return self._authenticate(secret)


class Caller:
    """Of a service that has a model, with a key that was good a while ago."""

    def __init__(self, api: Api, database: Database) -> None:
        self.api = api
        self.database = database
        self.key, secret = api.container.keys.create("predicts", [Scope.PREDICT])
        self.headers = {"X-API-Key": secret}
        self.usual = request(GOOD, PATH, X_API_Key=secret)
        until(lambda: api.client.post(PATH, content=GOOD).status_code == 401)
        assert api.client.post(PATH, content=GOOD, headers=self.headers).is_success
        self.pause()

    def pause(self) -> None:
        """As if nobody had asked for anything for some seconds."""
        until(lambda: not self.api.state.authenticator._asking)
        for remembered in self.api.state.authenticator._known.values():
            remembered.ask_at = 0
        self.database.asked = 0


@pytest.fixture
def caller(container: Container, monkeypatch: pytest.MonkeyPatch) -> Iterator[Caller]:
    monkeypatch.setattr("api.auth.PATIENCE_S", 20)
    add_version(container, "binary", name="binary")
    database = Database(container, monkeypatch)
    with served(container) as api:
        known(api)
        yield Caller(api, database)
        database.open.set()


def test_those_who_come_at_once_wait_for_one_answer_and_do_not_reach_the_application(
    caller: Caller, asked: list[str]
) -> None:
    asked.clear()
    caller.database.open.clear()
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(caller.api.client)) for _ in range(MANY)]
        for one in connections:
            one.sendall(caller.usual)
        until(lambda: caller.database.asked == 1)
        caller.database.open.set()
        for one in connections:
            with one.makefile("rb") as stream:
                assert read(stream)[0] == 200
    assert (asked, caller.database.asked) == ([], 1)


def test_a_key_that_was_revoked_meanwhile_is_refused(caller: Caller) -> None:
    caller.api.container.keys.revoke(caller.key.id)
    with connect(caller.api.client) as one, one.makefile("rb") as stream:
        one.sendall(caller.usual * 3)
        assert [read(stream)[0] for _ in range(3)] == [401, 401, 401]


@pytest.mark.parametrize("revoked", [False, True])
def test_what_comes_behind_a_request_that_waits_is_answered_after_it(
    caller: Caller, revoked: bool
) -> None:
    caller.database.open.clear()
    with connect(caller.api.client) as one, one.makefile("rb") as stream:
        one.sendall(caller.usual)
        until(lambda: caller.database.asked == 1)
        for _ in range(3):
            one.sendall(caller.usual)
        if revoked:
            caller.api.container.keys.revoke(caller.key.id)
        caller.database.open.set()
        expected = 401 if revoked else 200
        assert [read(stream)[0] for _ in range(4)] == [expected] * 4


def test_a_client_that_goes_while_it_waits_costs_nobody_an_answer(
    caller: Caller, asked: list[str]
) -> None:
    asked.clear()
    caller.database.open.clear()
    with connect(caller.api.client) as stays, stays.makefile("rb") as stream:
        with connect(caller.api.client) as goes:
            goes.sendall(caller.usual)
            until(lambda: caller.database.asked == 1)
        stays.sendall(caller.usual)
        caller.database.open.set()
        assert read(stream)[0] == 200
    assert asked == []


def test_who_waits_when_the_process_ends_is_answered(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.auth.PATIENCE_S", 20)
    add_version(container, "binary", name="binary")
    database = Database(container, monkeypatch)
    with served(container) as api:
        known(api)
        caller = Caller(api, database)
        database.open.clear()
        with connect(api.client) as one, one.makefile("rb") as stream:
            one.sendall(caller.usual)
            until(lambda: database.asked == 1)
            api.server.should_exit = True
            threading.Timer(0.3, database.open.set).start()
            assert read(stream)[0] == 200


def test_without_the_database_a_key_is_believed_for_a_while(
    caller: Caller, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.clear()
    monkeypatch.setattr("api.auth.PATIENCE_S", 0.05)
    caller.database.open.clear()
    for _ in range(2):
        answer = caller.api.client.post(PATH, content=GOOD, headers=caller.headers)
        assert answer.status_code == 200
    assert (asked, caller.database.asked) == ([], 1)
