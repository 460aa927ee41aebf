from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from services.container import Container
from services.errors import NotFound, Unavailable
from services.notices import NoNotices
from services.registry import Registry, Snapshot
from services.serving.watch import RegistryWatch
from tests.services import factories


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(test(), 30)

    asyncio.run(main())


class Gate(Registry):
    """A registry whose reads wait to be let through, and are counted."""

    def __init__(self) -> None:
        self.reads = 0
        self.open = threading.Semaphore(0)
        self.failing = False

    def snapshot(self, known_revision: int = -1) -> Snapshot | None:
        self.reads += 1
        assert self.open.acquire(timeout=20)
        if self.failing:
            raise Unavailable("the database does not answer")
        return Snapshot(self.reads, {}, {})


def test_versions_are_found_by_number_alias_and_as_champion(container: Container) -> None:
    async def test() -> None:
        factories.published(container, model="m")
        factories.published(container, model="m")
        container.registry.set_alias("m", "next", 2)
        watch = RegistryWatch(container.registry)
        assert not watch.is_known
        await watch.refresh()
        assert watch.is_known
        found = {ref: watch.find("m", ref) for ref in (None, "1", "2", "champion", "next")}
        numbers = {ref: one.version if one else None for ref, one in found.items()}
        assert numbers == {None: 1, "1": 1, "2": 2, "champion": 1, "next": 2}

    run(test)


def test_a_miss_looks_into_the_database_before_it_says_no(container: Container) -> None:
    async def test() -> None:
        watch = RegistryWatch(container.registry)
        await watch.refresh()
        factories.published(container, model="m")
        assert (await watch.locate("m")).version == 1
        for name, ref, code in (
            ("x", None, "model_not_found"),
            ("m", "7", "version_not_found"),
            ("m", "nope", "version_not_found"),
        ):
            with pytest.raises(NotFound) as caught:
                await watch.locate(name, ref)
            assert caught.value.code == code

    run(test)


def test_a_model_without_a_champion_has_no_default_version(container: Container) -> None:
    async def test() -> None:
        factories.published(container, model="m", backends={"eager": {"status": "rejected"}})
        watch = RegistryWatch(container.registry)
        with pytest.raises(NotFound, match="the model m has no version champion"):
            await watch.locate("m")

    run(test)


def test_changes_are_heard_of_in_the_background(container: Container) -> None:
    async def test() -> None:
        heard = asyncio.Event()
        watch = RegistryWatch(container.registry, poll_s=0.001)
        watch.start()
        while not watch.is_known:
            await asyncio.sleep(0)
        watch.changed = heard.set
        factories.published(container, model="m")
        await heard.wait()
        assert watch.find("m") is not None
        container.registry.delete_alias("m", "champion")
        while watch.find("m") is not None:
            await asyncio.sleep(0.001)
        await watch.stop()

    run(test)


def test_an_unchanged_registry_is_not_read_again(container: Container) -> None:
    async def test() -> None:
        factories.published(container, model="m")
        watch = RegistryWatch(container.registry)
        await watch.refresh()
        before = watch.find("m")
        await watch.refresh()
        assert watch.find("m") is before

    run(test)


def test_however_many_miss_at_once_share_a_read_that_began_after_they_asked() -> None:
    async def test() -> None:
        registry = Gate()
        watch = RegistryWatch(registry)
        early = [asyncio.create_task(watch.refresh()) for _ in range(5)]
        while registry.reads < 1:
            await asyncio.sleep(0)
        late = [asyncio.create_task(watch.refresh()) for _ in range(50)]
        await asyncio.sleep(0)
        registry.open.release()
        await asyncio.gather(*early)
        assert not any(task.done() for task in late)
        registry.open.release()
        await asyncio.gather(*late)
        assert registry.reads == 2

    run(test)


def test_a_database_that_is_down_is_told_to_those_who_ask_and_survived_by_the_rest() -> None:
    async def test() -> None:
        registry = Gate()
        registry.open.release(1000)
        watch = RegistryWatch(registry, poll_s=0.001)
        watch.start()
        while not watch.is_known:
            await asyncio.sleep(0)
        registry.failing = True
        with pytest.raises(Unavailable):
            await watch.locate("m")
        read = registry.reads
        while registry.reads < read + 3:
            await asyncio.sleep(0.001)
        assert watch.is_known
        await watch.stop()

    run(test)


def test_a_row_that_cannot_be_read_does_not_end_the_watch() -> None:
    class Broken(Gate):
        def snapshot(self, known_revision: int = -1) -> Snapshot | None:
            self.reads += 1
            if self.reads < 3:
                raise KeyError("signature")
            return Snapshot(1, {}, {})

    async def test() -> None:
        watch = RegistryWatch(Broken(), poll_s=0.001)
        watch.start()
        while not watch.is_known:
            await asyncio.sleep(0.001)
        await watch.stop()

    run(test)


class HardOfHearing(NoNotices):
    """Its first cancellation is lost, as in redis-py on Python 3.11."""

    async def listen(self, heard: Callable[[], None]) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await super().listen(heard)
        await super().listen(heard)


def test_it_ends_though_a_cancellation_is_lost(container: Container) -> None:
    async def test() -> None:
        watch = RegistryWatch(container.registry, notices=HardOfHearing())
        watch.start()
        await asyncio.sleep(0.05)
        await watch.stop()

    run(test)


def test_one_who_asked_and_left_spoils_nothing() -> None:
    async def test() -> None:
        registry = Gate()
        watch = RegistryWatch(registry)
        leaving: asyncio.Task[Any] = asyncio.create_task(watch.refresh())
        while registry.reads < 1:
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait({leaving})
        registry.open.release(2)
        await watch.refresh()

    run(test)
