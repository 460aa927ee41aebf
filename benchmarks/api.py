"""What serving costs besides the model: `python -m benchmarks.api`.

Batching on and off: clients that each wait for their answer to one row before they send the next,
all in the event loop of this process, by the engine with its default `max_batch_rows` and with 1,
in turns. Cold start and memory: `python -m api` as users run it, one ONNX model in its registry.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks import registry
from benchmarks.backends import MODELS, Quiet, model
from benchmarks.cold import Started, start
from models.backends import BACKENDS
from models.latency import environment
from models.publishing import publish
from models.rows import Tensors, take
from services import logging
from services.container import Container
from services.serving.engine import Engine
from services.serving.stats import Timing

TITLE = "MLP 784-128-64-10"
CLIENTS = (1, 16, 64)
ROUNDS = 5
BATCHING = ("clients", "off: rows/s", "p50, p99 ms", "on: rows/s", "p50, p99 ms", "on / off")
COLD = (
    *("API processes", "gRPC's port", "ready s", "first answer s"),
    *("RSS MiB a process", "PSS MiB a process"),
)


@dataclass(frozen=True)
class Load:
    """What clients saw in one round."""

    rows_per_s: float
    seconds: Sequence[float]
    """Of each answer."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round")
    parser.add_argument("--starts", type=int, default=5, help="cold starts of each kind")
    options = parser.parse_args()
    logging.configure("benchmarks", level="error", log_format="console")
    trained = model(MODELS[TITLE])
    with (
        tempfile.TemporaryDirectory() as directory,
        registry.empty(Path(directory, "data")) as container,
    ):
        only = {"onnxruntime": BACKENDS["onnxruntime"]}
        made = publish(trained, Path(directory, "files"), report=Quiet(), backends=only)
        registry.add(container, "mlp", made)
        print(f"## Batching, {TITLE} as ONNX, in process\n")
        print(*asyncio.run(batching(container, trained.heldout, options.seconds)), sep="\n")
        print("\n## Cold start and memory\n")
        print(*cold(container, trained.heldout, options.starts), sep="\n")
    about = environment(None)
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    print(
        f"\n{about['cpu_model']}, {about['cores']} cores; {versions}; {about['os']}; "
        f"{about['date']}. Medians of {ROUNDS} rounds in turns, and of {options.starts} starts."
    )


async def batching(container: Container, rows: Tensors, seconds: float) -> list[str]:
    """Markdown lines, one a number of clients."""
    settings = container.settings
    engines = {
        limit: Engine(
            container.registry,
            memory_bytes=settings.model_memory_bytes,
            queue_limit_s=settings.queue_limit_s,
            max_batch_rows=limit,
            tuner=registry.tuner_of(container),
        )
        for limit in (1, settings.max_batch_rows)
    }
    lines = [f"| {' | '.join(BATCHING)} |", "|" + " --- |" * len(BATCHING)]
    for engine in engines.values():
        await engine.start()
    try:
        for clients in CLIENTS:
            found: dict[int, list[Load]] = {limit: [] for limit in engines}
            for turn in range(ROUNDS):
                for limit in [*engines][:: 1 if turn % 2 else -1]:
                    found[limit].append(await _load(engines[limit], rows, clients, seconds))
            lines.append(_batching_line(clients, *found.values()))
    finally:
        for engine in engines.values():
            await engine.stop()
    return lines


async def _load(engine: Engine, rows: Tensors, clients: int, seconds: float) -> Load:
    served = await engine.resolve("mlp")
    backend = served.backend_for(None, 1)
    took: list[float] = []
    until = time.perf_counter() + seconds

    async def client(number: int) -> None:
        row = take(rows, number, 1)
        while (started := time.perf_counter()) < until:
            await engine.run(served, backend, row, 1, Timing())
            took.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*[client(number) for number in range(clients)])
    return Load(len(took) / (time.perf_counter() - started), took)


def _batching_line(clients: int, off: Sequence[Load], on: Sequence[Load]) -> str:
    ratio = np.median([two.rows_per_s / one.rows_per_s for one, two in zip(off, on, strict=True)])
    cells = [str(clients)]
    for loads in (off, on):
        p50, p99 = np.percentile(np.concatenate([one.seconds for one in loads]), (50, 99)) * 1e3
        cells.append(f"{np.median([one.rows_per_s for one in loads]):,.0f}")
        cells.append(f"{p50:.2f}, {p99:.2f}")
    return f"| {' | '.join([*cells, f'**{ratio:.2f}**'])} |"


def cold(container: Container, rows: Tensors, starts: int) -> list[str]:
    """Markdown lines: numbers of processes that share the ports, with gRPC's and without."""
    data_dir = container.settings.data_dir
    batch = take(rows, 0, 1)
    lines = [f"| {' | '.join(COLD)} |", "|" + " --- |" * len(COLD)]
    for count, grpc in product((1, 2), (False, True)):
        found = [start(data_dir, batch, processes=count, grpc=grpc) for _ in range(starts)]
        lines.append(_cold_line(count, grpc, found))
    return lines


def _cold_line(count: int, grpc: bool, found: Sequence[Started]) -> str:
    ready, answered, rss, pss = (
        float(np.median(values))
        for values in zip(*[(s.ready_s, s.answered_s, s.rss, s.pss) for s in found], strict=True)
    )
    opened = "open" if grpc else "closed"
    cells = (count, opened, f"{ready:.2f}", f"{answered:.2f}", f"{rss:.0f}", f"{pss:.0f}")
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
