"""Notices over a real broker, which comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from services import notices
from services.container import Container
from services.db import migrate
from services.notices import NoNotices, RedisNotices, notices_of
from services.serving.watch import RegistryWatch
from services.settings import Settings
from tests.services import factories
from tests.services.conftest import RecordingQueue
from tests.support import valkey
from tests.support.published import add_benchmark


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[valkey.Valkey]:
    with valkey.server(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def sender(broker: valkey.Valkey) -> Iterator[RedisNotices]:
    made = RedisNotices(broker.url)
    yield made
    made.close()


class CountingNotices(NoNotices):
    def __init__(self) -> None:
        self.sent = 0

    def publish(self) -> None:
        self.sent += 1


class Ear:
    """Listens, and counts what it hears."""

    def __init__(self, own: RedisNotices) -> None:
        self.heard = 0
        self.task = asyncio.create_task(own.listen(self._hear))

    def _hear(self) -> None:
        self.heard += 1

    async def until(self, count: int) -> None:
        while self.heard < count:
            await asyncio.sleep(0.002)

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


def test_what_is_published_is_heard_by_all_who_listen(sender: RedisNotices) -> None:
    async def test() -> None:
        ears = [Ear(sender), Ear(sender)]
        for ear in ears:
            await ear.until(1)  # of the beginning, since something may have happened before it
        sender.publish()
        for ear in ears:
            await ear.until(2)
            await ear.close()

    run(test)


def test_a_listener_comes_back_to_a_broker_that_was_away(
    broker: valkey.Valkey, sender: RedisNotices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "RECONNECT_S", (0.01,))
    monkeypatch.setattr(notices, "SEND_PAUSE_S", 0.0)

    async def test() -> None:
        ear = Ear(sender)
        await ear.until(1)
        broker.stop()
        sender.publish()  # into the void, without a word
        await asyncio.to_thread(broker.start)
        await ear.until(2)  # it looks for what it has missed
        sender.publish()
        await ear.until(3)
        await ear.close()

    run(test)


def test_a_broker_that_is_gone_is_not_asked_by_every_sender() -> None:
    made = RedisNotices(f"redis://127.0.0.1:{valkey.free_port()}/0")
    tried: list[object] = []
    inner = made._redis.publish
    made._redis.publish = lambda *message: tried.append(message) or inner(*message)
    for _ in range(3):
        made.publish()
    made.close()
    assert len(tried) == 1


def test_a_service_without_a_broker_has_no_notices() -> None:
    assert isinstance(notices_of(""), NoNotices)


def test_every_change_of_the_registry_is_told_once_it_is_committed(tmp_path: Path) -> None:
    told = CountingNotices()
    container = Container(Settings(data_dir=tmp_path), queue=RecordingQueue(), notices=told)
    migrate.upgrade(container.db)

    def tells(change: Callable[[], object]) -> bool:
        before = told.sent
        change()
        return told.sent == before + 1

    registry = container.registry
    for _ in range(2):
        assert tells(lambda: factories.published(container, model="m"))
    assert tells(lambda: registry.set_alias("m", "next", 2))
    assert tells(lambda: registry.delete_alias("m", "next"))
    assert tells(lambda: add_benchmark(container, "m", {"eager": 1.0, "onnxruntime": 2.0}))
    assert tells(lambda: registry.delete_version("m", "2"))
    assert tells(lambda: registry.set_unloaded("m", True))
    assert not tells(lambda: registry.set_unloaded("m", True))
    assert not tells(lambda: factories.submit(container))
    container.close()


def test_a_watch_looks_at_once_when_it_hears_a_notice(tmp_path: Path, sender: RedisNotices) -> None:
    container = Container(Settings(data_dir=tmp_path), queue=RecordingQueue(), notices=sender)
    migrate.upgrade(container.db)

    async def test() -> None:
        watch = RegistryWatch(container.registry, poll_s=3600, notices=sender)
        watch.start()
        while not watch.is_known:
            await asyncio.sleep(0.002)
        await asyncio.to_thread(factories.published, container, model="m")
        while watch.find("m") is None:
            await asyncio.sleep(0.002)
        await watch.stop()

    run(test)
    container.close()
