from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import orjson
import pytest

from services.container import Container
from services.errors import Conflict, Invalid, NotFound
from services.serving.engine import Engine
from services.serving.errors import Unsupported
from services.serving.prediction import infer, predict
from tests.support.published import add_version, trained

ROW = {"name": "features", "datatype": "FP32", "shape": [1, 2], "data": [0.5, -1.0]}
BODY = orjson.dumps({"inputs": [ROW]})


def run(container: Container, test: Callable[[Engine], Awaitable[None]]) -> None:
    async def main() -> None:
        engine = Engine(container.registry, memory_bytes=1 << 30, queue_limit_s=1.0)
        await engine.start()
        try:
            await asyncio.wait_for(test(engine), 60)
        finally:
            await engine.stop()

    asyncio.run(main())


async def ready(engine: Engine) -> None:
    while engine.not_ready() is not None:
        await asyncio.sleep(0.001)


def test_champions_are_in_memory_before_the_process_is_ready(container: Container) -> None:
    add_version(container, "binary")
    add_version(container, "regression", name="other")

    async def test(engine: Engine) -> None:
        assert "registry" in (engine.not_ready() or "")
        await ready(engine)
        assert {key.name for key in engine.cache} == {"demo", "other"}
        assert {key.backend for key in engine.cache} == {"onnxruntime"}

    run(container, test)


def test_a_champion_that_cannot_be_loaded_does_not_take_the_process_out(
    container: Container,
) -> None:
    add_version(container, "binary")
    for file in container.registry.version("demo").row.files:
        container.storage.delete(file["key"])
    add_version(container, "regression", name="other")

    async def test(engine: Engine) -> None:
        await ready(engine)
        assert {key.name for key in engine.cache} == {"other"}

    run(container, test)


@pytest.mark.parametrize("backend", ["eager", "torchscript", "onnxruntime"])
def test_each_backend_answers_what_the_trained_model_does(
    container: Container, backend: str
) -> None:
    add_version(container, "binary")
    rows = trained("binary").heldout["features"][:3]

    async def test(engine: Engine) -> None:
        body = orjson.dumps({"inputs": rows.tolist()})
        answer = orjson.loads(
            await predict(
                engine, "demo", None, body, media_type="application/json", backend=backend
            )
        )
        assert answer["backend"] == backend
        import torch

        expected = trained("binary").servable(torch.from_numpy(rows)).detach().numpy()
        assert np.allclose(answer["outputs"], expected, atol=1e-5)
        assert answer["labels"] == [["no", "yes"][index] for index in expected.argmax(1)]

    run(container, test)


def test_new_versions_and_aliases_are_served_as_soon_as_they_are_known(
    container: Container,
) -> None:
    add_version(container, "binary")

    async def test(engine: Engine) -> None:
        await ready(engine)
        add_version(container, "binary")
        for ref, number in ((None, "1"), ("2", "2"), ("champion", "1")):
            body, _ = await infer(engine, "demo", ref, BODY)
            assert orjson.loads(body)["model_version"] == number
        container.registry.set_alias("demo", "champion", 2)
        await engine.watch.refresh()
        body, _ = await infer(engine, "demo", None, BODY)
        assert orjson.loads(body)["model_version"] == "2"

    run(container, test)


def test_a_deleted_version_leaves_the_memory(container: Container) -> None:
    add_version(container, "binary")
    add_version(container, "binary")

    async def test(engine: Engine) -> None:
        await infer(engine, "demo", "2", BODY)
        assert any(key.version == 2 for key in engine.cache)
        container.registry.delete_version("demo", "2")
        await engine.watch.refresh()
        assert not any(key.version == 2 for key in engine.cache)
        assert not any(key.version == 2 for key in engine.stats)
        with pytest.raises(NotFound):
            await infer(engine, "demo", "2", BODY)

    run(container, test)


def test_an_unloaded_model_answers_again_after_load(container: Container) -> None:
    add_version(container, "binary")

    async def test(engine: Engine) -> None:
        await infer(engine, "demo", None, BODY)
        await engine.unload("demo")
        assert not tuple(engine.cache)
        with pytest.raises(Conflict) as caught:
            await infer(engine, "demo", None, BODY)
        assert caught.value.code == "model_unloaded"
        add_version(container, "regression", name="other")
        await engine.watch.refresh()
        assert not engine.is_ready(await engine.watch.locate("demo"))
        await engine.load("demo")
        await infer(engine, "demo", None, BODY)
        for unknown in (engine.load, engine.unload):
            with pytest.raises(NotFound):
                await unknown("nope")

    run(container, test)


def test_what_was_answered_is_counted_by_backend_and_summed_by_version(
    container: Container,
) -> None:
    add_version(container, "binary")

    async def test(engine: Engine) -> None:
        two = orjson.dumps({"inputs": [ROW | {"shape": [2, 2], "data": [1, 2, 3, 4]}]})
        await infer(engine, "demo", None, BODY)
        await infer(engine, "demo", None, two)
        eager = orjson.dumps({"inputs": [ROW], "parameters": {"backend": "eager"}})
        await infer(engine, "demo", None, eager)
        served = await engine.resolve("demo")
        assert engine.stats_of(served, "onnxruntime").rows == 3
        figures: dict[str, Any] = engine.version_stats(served).to_triton()
        assert figures["inference_count"] == 4
        assert figures["execution_count"] == 3
        assert figures["last_inference"] > 0
        counted = figures["inference_stats"]
        assert counted["success"]["count"] == counted["compute_infer"]["count"] == 3
        parts = ("queue", "compute_input", "compute_infer", "compute_output")
        assert sum(counted[part]["ns"] for part in parts) == counted["success"]["ns"]

    run(container, test)


def test_a_model_that_fails_on_an_input_counts_a_failure(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_version(container, "binary")

    async def test(engine: Engine) -> None:
        served = await engine.resolve("demo")
        runner = await engine.cache.get(served, "onnxruntime")

        def fail(_: object) -> None:
            raise RuntimeError

        monkeypatch.setattr(runner, "_runner", type("Failing", (), {"run": fail, "close": fail}))
        with pytest.raises(Invalid, match="could not compute"):
            await infer(engine, "demo", None, BODY)
        assert engine.stats_of(served, "onnxruntime").failures == 1
        monkeypatch.undo()

    run(container, test)


def test_a_body_of_an_unknown_type_is_refused(container: Container) -> None:
    add_version(container, "binary")

    async def test(engine: Engine) -> None:
        with pytest.raises(Unsupported, match="image/png"):
            await predict(engine, "demo", None, b"", media_type="application/xml")

    run(container, test)
