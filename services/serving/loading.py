"""From a version's files to a runner that is warm, and whose pace is known.

How a backend is opened is measured on this host once and remembered (`models/tuning`); what is
measured here at every load is how long calls take, because that decides where they run.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import structlog

from models.backends import EVERY
from models.backends.base import Runner, Tensors
from models.rows import synthetic, take
from models.signature import Signature
from models.tuning import Opened, Tuner
from services.serving.pace import Pace
from services.serving.runners import MAX_BATCH_ROWS, LoadedRunner

WARM_SIZES = (8, 32)
"""Rows of batches to warm up with, besides one row and as many as a batch may have."""
MEASURED_ROWS = 32
RUNS = 5
BUDGET_S = 0.1
"""For each batch size; a large model is warmed and measured with single rows."""

UNTUNED = Tuner(Path(), budget_s=0.0)

log = structlog.get_logger(__name__)


def load(
    backend: str,
    directory: Path,
    signature: Signature,
    *,
    size_bytes: int,
    queue_limit_s: float,
    max_batch_rows: int = MAX_BATCH_ROWS,
    tuner: Tuner = UNTUNED,
    hurry: bool = False,
) -> LoadedRunner:
    """Open a backend's file the way that is fastest here, and warm it up; call it in a thread. In
    a `hurry` nothing is measured for that, and the runner says if there was something to measure.

    Raises `ExportFailed`.
    """
    opened = tuner.open(EVERY[backend], directory, signature, measure=not hurry)
    _tell(backend, opened)
    runner = opened.runner
    try:
        pace = measure(runner, signature, directory)
        warm(runner, pace, signature, directory, max_batch_rows)
    except BaseException:
        runner.close()
        raise
    loaded = LoadedRunner(runner, pace, size_bytes, queue_limit_s, max_batch_rows=max_batch_rows)
    untried = opened.how == "default" and opened.problem is None
    loaded.provisional = hurry and untried and tuner.budget_s > 0
    return loaded


def measure(runner: Runner, signature: Signature, directory: Path) -> Pace:
    """See, with made-up rows, how long the runner takes for one and for many."""
    many = synthetic(signature, MEASURED_ROWS, seed=0, directory=directory)
    one = take(many, 0, 1)
    runner.run(one)
    call_s = _typical_s(runner, one)
    if call_s * MEASURED_ROWS > BUDGET_S:  # large: a row counts in full until measured better
        return Pace(0.0, call_s)
    runner.run(many)
    row_s = max(_typical_s(runner, many) - call_s, 0.0) / (MEASURED_ROWS - 1)
    return Pace(max(call_s - row_s, 0.0), row_s)


def warm(
    runner: Runner, pace: Pace, signature: Signature, directory: Path, max_batch_rows: int
) -> None:
    """Run batches of the sizes that traffic brings, as far as they are quick enough: libraries
    plan and allocate at the first call of a size, TorchScript optimises at the second."""
    sizes = [size for size in (*WARM_SIZES, max_batch_rows) if size <= max_batch_rows]
    quick = [size for size in dict.fromkeys(sizes) if pace.expected_s(size) <= BUDGET_S]
    if not quick:
        return
    rows = synthetic(signature, max(quick), seed=1, directory=directory)
    for size in quick:
        batch = take(rows, 0, size)
        runner.run(batch)
        runner.run(batch)


def _typical_s(runner: Runner, inputs: Tensors) -> float:
    times: list[float] = []
    while len(times) < RUNS and sum(times) < BUDGET_S:
        started = time.perf_counter()
        runner.run(inputs)
        times.append(time.perf_counter() - started)
    return median(times)


def _tell(backend: str, opened: Opened) -> None:
    if opened.problem is not None:
        log.warning("model_not_tuned", backend=backend, reason=opened.problem)
    elif opened.how == "measured":
        log.info("model_tuned", backend=backend, **opened.choice.to_json(), tried=len(opened.tried))
