from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from models.errors import ExportFailed
from models.tuning import Tuner
from services.container import Container
from services.errors import Busy, Unavailable
from services.serving import cache as caching
from services.serving import failures, loading
from services.serving.cache import RunnerCache
from services.serving.key import Key
from services.serving.pace import Pace
from services.serving.runners import LoadedRunner
from services.serving.versions import ServedVersion
from services.serving.watch import RegistryWatch
from tests.support.models import FunctionRunner
from tests.support.published import add_version

Test = Callable[[RunnerCache, ServedVersion], Awaitable[None]]


def run(
    container: Container, test: Test, *, memory_bytes: int = 1 << 30, tuner: Tuner = loading.UNTUNED
) -> None:
    """Runs `test` with a cache and version 1 of `demo`, a real model."""
    add_version(container, "binary")

    async def main() -> None:
        cache = RunnerCache(
            container.registry, memory_bytes=memory_bytes, queue_limit_s=1.0, tuner=tuner
        )
        watch = RegistryWatch(container.registry)
        try:
            await asyncio.wait_for(test(cache, await watch.locate("demo")), 30)
        finally:
            await cache.close()

    asyncio.run(main())


class Loads:
    """Stands in for `loading.load`: counts, waits for its gate, fails on demand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        monkeypatch.setattr(loading, "load", self)

    def __call__(
        self, *_args: object, size_bytes: int, queue_limit_s: float, **_how: object
    ) -> LoadedRunner:
        self.count += 1
        assert self.gate.wait(20)
        if self.error is not None:
            raise self.error
        return LoadedRunner(FunctionRunner(lambda x: x), Pace(0, 0), size_bytes, queue_limit_s)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    return Loads(monkeypatch)


def test_a_real_backend_is_loaded_and_found_again(container: Container) -> None:
    async def test(cache: RunnerCache, served: ServedVersion) -> None:
        key = Key("demo", 1, "onnxruntime")
        assert cache.peek(key) is None
        loaded = await cache.get(served, "onnxruntime")
        assert cache.peek(key) is loaded
        assert cache.used_bytes == loaded.size_bytes > 1000

    run(container, test)


@pytest.fixture
def tuner(tmp_path: Path) -> Tuner:
    return Tuner(tmp_path / "tuning", budget_s=0.1)


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What is loaded without hurry waits until this is set: it may otherwise be done sooner than
    the test looks."""
    begins, load = threading.Event(), loading.load

    def wait(*args: Any, hurry: bool, **how: Any) -> LoadedRunner:
        assert hurry or begins.wait(20)
        return load(*args, hurry=hurry, **how)

    monkeypatch.setattr(loading, "load", wait)
    yield begins
    begins.set()


ONNX = Key("demo", 1, "onnxruntime")


def test_what_is_loaded_in_a_hurry_is_measured_while_it_answers(
    container: Container, tuner: Tuner, measuring: threading.Event
) -> None:
    async def test(cache: RunnerCache, served: ServedVersion) -> None:
        first = await cache.get(served, "onnxruntime", hurry=True)
        assert first.provisional
        assert cache.peek(ONNX) is first
        assert not tuner.directory.exists()
        measuring.set()
        while (second := cache.peek(ONNX)) is first:
            await asyncio.sleep(0.01)
        assert second is not None
        assert (first.retired, second.retired, second.provisional) == (True, False, False)
        assert cache.used_bytes == second.size_bytes
        assert [*tuner.directory.glob("onnxruntime-*.json")]
        cache.drop(ONNX)
        assert cache.used_bytes == 0
        remembered = await cache.get(served, "onnxruntime", hurry=True)
        assert not remembered.provisional

    run(container, test, tuner=tuner)


def test_what_is_dropped_while_it_is_measured_stays_dropped(
    container: Container, tuner: Tuner, measuring: threading.Event
) -> None:
    async def test(cache: RunnerCache, served: ServedVersion) -> None:
        await cache.get(served, "onnxruntime", hurry=True)
        await asyncio.sleep(0)  # the measuring has begun
        cache.drop(ONNX)
        assert cache.used_bytes > 0
        measuring.set()
        while cache.used_bytes:
            await asyncio.sleep(0.01)
        assert ONNX not in cache

    run(container, test, tuner=tuner)


def test_without_room_for_two_it_goes_on_as_it_was_loaded(
    container: Container, tuner: Tuner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "size_of", lambda _served, _backend: 40)

    async def test(cache: RunnerCache, served: ServedVersion) -> None:
        first = await cache.get(served, "onnxruntime", hurry=True)
        await asyncio.sleep(0)
        assert cache.peek(ONNX) is first
        assert cache.used_bytes == 40

    run(container, test, memory_bytes=79, tuner=tuner)


def test_there_is_one_loader_however_many_wait(container: Container, loads: Loads) -> None:
    async def test(cache: RunnerCache, served: ServedVersion) -> None:
        loads.gate.clear()
        waiting = [asyncio.create_task(cache.get(served, "eager")) for _ in range(20)]
        await asyncio.sleep(0)
        assert cache.is_loading
        waiting[0].cancel()
        loads.gate.set()
        found = await asyncio.gather(*waiting[1:])
        assert len({id(one) for one in found}) == 1
        assert loads.count == 1
        assert not cache.is_loading

    run(container, test)


def test_the_least_recently_used_makes_room(
    container: Container, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caching, "size_of", lambda _served, _backend: 40)

    async def test(cache: RunnerCache, served: ServedVersion) -> None:
        await cache.get(served, "eager")
        await cache.get(served, "onnxruntime")
        cache.peek(Key("demo", 1, "eager"))
        assert not cache.has_room(served, "torchscript")
        await cache.get(served, "torchscript")
        assert [key.backend for key in cache] == ["eager", "torchscript"]

    run(container, test, memory_bytes=100)


def test_what_can_never_fit_is_refused_and_pushes_nothing_out(container: Container) -> None:
    async def test(cache: RunnerCache, served: ServedVersion) -> None:
        with pytest.raises(Unavailable, match="more than the 100 bytes") as caught:
            await cache.get(served, "onnxruntime")
        assert caught.value.code == "model_too_large"

    run(container, test, memory_bytes=100)


@pytest.mark.parametrize(
    "error", [ExportFailed("model.onnx is missing"), RuntimeError("/opt/secret"), MemoryError()]
)
def test_a_file_that_cannot_be_loaded_is_not_tried_again_for_a_while(
    container: Container, loads: Loads, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def test(cache: RunnerCache, served: ServedVersion) -> None:
        loads.error = error
        for _ in range(3):
            with pytest.raises(Unavailable, match="cannot be loaded by eager") as caught:
                await cache.get(served, "eager")
            assert caught.value.code == "load_failed"
        assert loads.count == 1
        monkeypatch.setattr(failures, "RETRY_S", -1)  # the while is over as it begins
        for count in (2, 3):
            with pytest.raises(Unavailable):
                await cache.get(served, "onnxruntime")
            assert loads.count == count
        loads.error = None
        await cache.get(served, "onnxruntime")

    run(container, test)


def test_one_who_waits_too_long_is_told_to_come_again_while_loading_goes_on(
    container: Container, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(cache: RunnerCache, served: ServedVersion) -> None:
        loads.gate.clear()
        monkeypatch.setattr(caching, "LOAD_WAIT_S", 0.001)
        with pytest.raises(Busy) as caught:
            await cache.get(served, "eager")
        assert caught.value.code == "model_loading"
        monkeypatch.setattr(caching, "LOAD_WAIT_S", 30)
        with pytest.raises(Busy):  # whose own deadline comes sooner
            await cache.get(served, "eager", wait_s=0.001)
        loads.gate.set()
        await cache.get(served, "eager")
        assert loads.count == 1

    run(container, test)


def test_files_that_are_gone_are_a_load_that_failed(container: Container) -> None:
    async def test(cache: RunnerCache, served: ServedVersion) -> None:
        for file in served.row.files:
            container.storage.delete(file["key"])
        with pytest.raises(Unavailable, match="cannot be loaded"):
            await cache.get(served, "onnxruntime")

    run(container, test)
