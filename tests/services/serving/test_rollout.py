"""Versions that come and go while requests are answered, with loads that a test lets through."""

from __future__ import annotations

import asyncio
import random

import pytest

from services.container import Container
from services.errors import Conflict, NotFound, Unavailable
from services.serving import cache as caching
from services.serving import failures, rollout
from services.serving.engine import Engine
from services.serving.key import Key
from services.serving.pace import Pace
from tests.services import factories
from tests.support.engines import ask, held, run, until
from tests.support.loads import Loads
from tests.support.published import add_benchmark


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, container: Container) -> Loads:
    monkeypatch.setattr(caching, "size_of", lambda _served, _backend: 40)
    monkeypatch.setattr(rollout, "LINGER_S", 0.01)
    return Loads(monkeypatch, container)


def versions(container: Container, count: int, name: str = "m") -> None:
    for _ in range(count):
        factories.published(container, model=name)


def promote(container: Container, version: int) -> None:
    container.registry.set_alias("m", "champion", version)


def test_requests_go_on_with_the_old_version_until_the_new_one_is_loaded(
    container: Container, loads: Loads
) -> None:
    versions(container, 2)

    async def test(engine: Engine) -> None:
        loads.hold()
        promote(container, 2)
        await engine.watch.refresh()
        await until(lambda: ("m", 2, "onnxruntime") in loads.opened)
        assert [await ask(engine) for _ in range(3)] == [1, 1, 1]
        served = await engine.watch.locate("m", "2")
        assert engine.state_of(served).state == "LOADING"
        assert engine.is_ready(await engine.resolve("m"))
        loads.release()
        await engine.follow("m")
        assert await ask(engine) == 2
        assert loads.hurried == [False, True]  # as the process starts, and while others wait
        await until(lambda: held(engine) == {(2, "onnxruntime")})
        assert loads.runners["m", 1, "onnxruntime"].closed
        assert engine.cache.used_bytes == 40

    run(container, test)


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_in_its_place_and_is_tried_again(
    container: Container, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "RETRIES_S", (0.01,))
    monkeypatch.setattr(failures, "RETRY_S", 0.0)
    versions(container, 2)

    async def test(engine: Engine) -> None:
        loads.failing = {2}
        promote(container, 2)
        await engine.follow("m")  # is told that it would wait in vain
        assert await ask(engine) == 1
        assert engine.is_ready(await engine.resolve("m"))
        state = engine.state_of(await engine.watch.locate("m", "2"))
        assert state.state == "UNAVAILABLE"
        assert "cannot be loaded by onnxruntime: model.onnx is missing" in state.reason
        with pytest.raises(Unavailable):
            await ask(engine, ref="2")
        loads.failing = set()
        await until(lambda: (served := engine.find("m")) and served.version == 2)
        assert await ask(engine) == 2

    run(container, test)


def test_another_backend_answers_once_it_is_loaded(container: Container, loads: Loads) -> None:
    versions(container, 1)

    async def test(engine: Engine) -> None:
        loads.hold()
        add_benchmark(container, "m", {"eager": 1.0, "onnxruntime": 2.0})
        await engine.watch.refresh()
        await until(lambda: ("m", 1, "eager") in loads.opened)
        for ref in (None, "1"):
            served = await engine.resolve("m", ref)
            assert served.backend_for(None, 1) == "onnxruntime"
        loads.release()
        await engine.follow("m")
        assert (await engine.resolve("m")).backend_for(None, 1) == "eager"
        await until(lambda: held(engine) == {(1, "eager")})

    run(container, test)


def test_an_alias_that_moves_on_while_its_version_is_loaded_leaves_nothing_behind(
    container: Container, loads: Loads
) -> None:
    versions(container, 3)

    async def test(engine: Engine) -> None:
        loads.hold()
        promote(container, 2)
        await engine.watch.refresh()
        await until(lambda: ("m", 2, "onnxruntime") in loads.opened)
        promote(container, 3)
        await engine.watch.refresh()
        loads.release()
        await engine.follow("m")
        assert await ask(engine) == 3
        await until(lambda: held(engine) == {(3, "onnxruntime")})

    run(container, test)


def test_a_version_that_is_asked_for_by_its_number_stays(
    container: Container, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "LINGER_S", 0.2)
    versions(container, 2)

    async def test(engine: Engine) -> None:
        promote(container, 2)
        await engine.follow("m")
        for _ in range(30):
            assert await ask(engine, ref="1") == 1
            await asyncio.sleep(0.02)
        assert loads.opened.count(("m", 1, "onnxruntime")) == 1

    run(container, test)


def test_what_fits_only_without_the_old_version_takes_its_place(
    container: Container, loads: Loads
) -> None:
    versions(container, 2)

    async def test(engine: Engine) -> None:
        promote(container, 2)
        await engine.follow("m")
        assert await ask(engine) == 2
        assert held(engine) == {(2, "onnxruntime")}

    run(container, test, memory_bytes=50)


def test_an_old_version_that_is_deleted_or_unloaded_does_not_answer_any_more(
    container: Container, loads: Loads
) -> None:
    versions(container, 2)

    async def test(engine: Engine) -> None:
        loads.hold()
        promote(container, 2)
        await engine.watch.refresh()
        container.registry.delete_version("m", "1")
        await engine.watch.refresh()
        answer = asyncio.create_task(ask(engine))
        loads.release()
        assert await answer == 2
        with pytest.raises(NotFound):
            await ask(engine, ref="1")
        await engine.unload("m")
        assert not held(engine)
        assert engine.state_of(engine.watch.versions["m"][2]).reason == "unloaded"
        with pytest.raises(Conflict):
            await ask(engine)

    run(container, test)


def test_a_model_that_is_unloaded_while_it_is_loaded_gives_its_memory_back(
    container: Container, loads: Loads
) -> None:
    async def test(engine: Engine) -> None:
        loads.hold()
        versions(container, 1)
        await engine.watch.refresh()
        await until(lambda: loads.opened)
        assert not engine.is_ready(await engine.resolve("m"))
        await engine.unload("m")
        loads.release()
        await until(lambda: engine.cache.used_bytes == 0 and not engine.cache.is_loading)

    run(container, test)


def test_what_one_process_unloads_no_other_one_serves_before_or_after_a_restart(
    container: Container, loads: Loads
) -> None:
    versions(container, 1)

    async def test(engine: Engine) -> None:
        other = Engine(container.registry, memory_bytes=1000, queue_limit_s=1.0)
        await engine.unload("m")
        for served_by in (engine, other):
            with pytest.raises(Conflict) as caught:
                await ask(served_by)
            assert caught.value.code == "model_unloaded"
        await other.load("m")
        await engine.watch.refresh()
        assert await ask(engine) == await ask(other) == 1
        await other.stop()

    run(container, test)


@pytest.mark.parametrize("pace", [Pace(0.0, 1e-6), Pace(0.0, 1.0)], ids=["inline", "in threads"])
def test_more_models_than_fit_are_all_answered_right(
    container: Container, loads: Loads, pace: Pace
) -> None:
    """Each is pushed out again and again, with requests under way; nothing is closed under them,
    and no more is held at once than the memory allows."""
    loads.pace = pace
    names = [f"m{number}" for number in range(5)]
    for number, name in enumerate(names):
        versions(container, number + 1, name)
        container.registry.set_alias(name, "champion", number + 1)
    drawn = random.Random(1)

    async def client(engine: Engine) -> None:
        for _ in range(25):
            chosen = drawn.randrange(5)
            assert await ask(engine, names[chosen]) == chosen + 1
            assert engine.cache.used_bytes <= 100

    async def test(engine: Engine) -> None:
        assert len(held(engine)) == 2  # warming up has pushed nothing out
        await asyncio.gather(*(client(engine) for _ in range(20)))
        before = len(loads.opened)
        assert before > 10
        await asyncio.sleep(0.05)
        assert len(loads.opened) == before  # nothing is loaded again that nobody asks for

    run(container, test, memory_bytes=100)


def test_a_load_of_the_second_of_two_keys_waits_for_the_memory_of_a_runner_in_use(
    container: Container, loads: Loads
) -> None:
    loads.pace = Pace(0.0, 1.0)  # believed to be slow, so run in a thread
    versions(container, 1, "a")
    versions(container, 1, "b")

    async def test(engine: Engine) -> None:
        assert [key.name for key in engine.cache] == ["a"]
        answer = asyncio.create_task(ask(engine, "a"))
        await asyncio.sleep(0)
        other = asyncio.create_task(ask(engine, "b"))
        assert await answer == await other == 1
        assert [key.name for key in engine.cache] == ["b"]
        assert Key("a", 1, "onnxruntime") not in engine.cache

    run(container, test, memory_bytes=50)
