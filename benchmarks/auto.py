"""`auto` beside each backend that it may pick, through the engine that serves; a part of
`python -m benchmarks.backends`.

First a benchmark is made, as a worker makes it; then the engine answers by it. All are timed in
blocks, one of each a round, in random order. Times are medians over the rounds, and what `auto`
takes to the best is the median of the rounds' quotients: a machine's speed changes between rounds.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import registry
from models.publishing import Publication
from models.rows import Tensors, take
from services.serving.engine import Engine
from services.serving.stats import Timing
from services.serving.versions import AUTO, ServedVersion

NAME = "model"
ROUNDS = 75
SETTLE_S = 0.015
"""Untimed calls before a block: idle threads of the backend before have to stop spinning."""
HEAD = ("batch", "auto picks", "auto µs", "fixed, µs", "best fixed", "auto / best")


def compare(
    made: Publication, rows: Tensors, *, sizes: Sequence[int], min_time_s: float
) -> list[str]:
    """Markdown lines, one a batch size."""
    with (
        tempfile.TemporaryDirectory() as directory,
        registry.empty(Path(directory)) as container,
    ):
        registry.add(container, NAME, made)
        registry.measure(container, NAME, made, sizes=sizes, min_time_s=min_time_s)
        engine = Engine(
            container.registry,
            memory_bytes=2**31,
            queue_limit_s=60.0,
            tuner=registry.tuner_of(container),
        )
        return asyncio.run(_table(engine, rows, sizes, min_time_s))


async def _table(
    engine: Engine, rows: Tensors, sizes: Sequence[int], min_time_s: float
) -> list[str]:
    await engine.start()
    try:
        served = await engine.resolve(NAME)
        lines = [f"| {' | '.join(HEAD)} |", "|" + " --- |" * len(HEAD)]
        for size in sizes:
            found = await _times(engine, served, take(rows, 0, size), size, min_time_s)
            lines.append(_line(served, size, found))
        return lines
    finally:
        await engine.stop()


async def _times(
    engine: Engine, served: ServedVersion, batch: Tensors, rows: int, min_time_s: float
) -> dict[str, NDArray[np.float64]]:
    """Seconds a call in each round, by what a request asks for."""
    calls = dict.fromkeys((AUTO, *served.backends), 1)
    for name in calls:
        usual = min([await _block(engine, served, name, batch, rows, 5) for _ in range(5)])
        calls[name] = max(1, round(min_time_s / ROUNDS / usual))
    blocks: dict[str, list[float]] = {name: [] for name in calls}
    rng = np.random.default_rng(0)
    for _ in range(ROUNDS):
        for index in rng.permutation(len(calls)):
            name = [*calls][int(index)]
            until = time.perf_counter() + SETTLE_S
            while time.perf_counter() < until:
                await _block(engine, served, name, batch, rows, 1)
            blocks[name].append(await _block(engine, served, name, batch, rows, calls[name]))
    return {name: np.array(found) for name, found in blocks.items()}


async def _block(
    engine: Engine, served: ServedVersion, wanted: str, batch: Tensors, rows: int, calls: int
) -> float:
    """Seconds a call of so many; the choice of the backend is a part of it, as of a request."""
    started = time.perf_counter()
    for _ in range(calls):
        await engine.run(served, served.backend_for(wanted, rows), batch, rows, Timing())
    return (time.perf_counter() - started) / calls


def _line(served: ServedVersion, size: int, rounds: Mapping[str, NDArray[np.float64]]) -> str:
    found = {name: float(np.median(seconds)) for name, seconds in rounds.items()}
    fixed = {name: seconds for name, seconds in found.items() if name != AUTO}
    best = min(fixed, key=lambda name: fixed[name])
    cells: tuple[Any, ...] = (
        size,
        served.backend_for(AUTO, size),
        f"{found[AUTO] * 1e6:.1f}",
        ", ".join(f"{name} {seconds * 1e6:.1f}" for name, seconds in fixed.items()),
        best,
        f"**{np.median(rounds[AUTO] / rounds[best]):.3f}**",
    )
    return f"| {' | '.join(map(str, cells))} |"
