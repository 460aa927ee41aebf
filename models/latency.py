"""How long a batch takes on each backend of this host, measured so that it can be compared."""

from __future__ import annotations

import gc
import math
import platform
import time
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import host
from models.backends.base import Runner
from models.fingerprints import machine_cores
from models.intervals import METHOD, mean_interval
from models.parity import max_abs_error
from models.rows import Tensors, take

BLOCKS = 20
"""Blocks a case is timed in; each holds about a twentieth of `min_time_s`."""
LEAST_BLOCKS = 6
"""Blocks that are timed even where the time is used up: five degrees of freedom."""
LEAST_WARM_UP_CALLS = 3
"""TorchScript profiles its first call and optimises in the second."""
WARM_UP_NS = 100_000_000
SETTLE_NS = 12_000_000
"""Untimed calls before each block: the caches fill again, and idle threads of the other
backends stop spinning (torch's OpenMP pool after 11 ms, ONNX Runtime's after 5; measured)."""
OVERRUN = 3
"""Times its planned time that a case may take on average before blocks are left out."""

Clock = Callable[[], int]


@dataclass
class _Case:
    """One backend at one batch size."""

    backend: str
    batch_size: int
    call: Callable[[], object]
    max_abs_error: float | None
    calls: int = 1
    settle: int = 1
    blocks: list[NDArray[np.int64]] = field(default_factory=list[NDArray[np.int64]])


def measure(
    runners: Mapping[str, Runner],
    rows: Tensors,
    *,
    batch_sizes: Sequence[int],
    min_time_s: float,
    seed: int,
    reference: str = "eager",
    only: Collection[str] | None = None,
    clock: Clock = time.perf_counter_ns,
) -> list[dict[str, Any]]:
    """Time `runners` on batches of `rows` (repeated where there are fewer than a batch needs).

    All cases (backend and batch size) are warmed up, then timed in blocks of calls; each round has
    one block of every case, in a new random order drawn from `seed`, so that drift of the machine
    falls on all alike. A case is timed for about `min_time_s`; slow ones for at least six blocks
    of one call, and the whole for about three times its planned time. `only` limits what is timed
    (the `reference`, whose answers `max_abs_error` is taken against, need not be in it); certified
    backends are the caller's to choose. `clock` gives nanoseconds.

    Returns the contract's rows, by batch size, then in the order of `runners`: times in
    milliseconds for one batch, `rows_per_s` from the mean.
    """
    timed = [name for name in runners if only is None or name in only]
    cases = _cases(runners, rows, timed, batch_sizes, reference)
    with _no_garbage_collection():
        for case in cases:
            _plan(case, min_time_s, clock)
        planned = min_time_s * 1e9 + BLOCKS * SETTLE_NS
        deadline = clock() + int(OVERRUN * planned) * len(cases)
        rng = np.random.default_rng(seed)
        for finished in range(BLOCKS):
            if finished >= LEAST_BLOCKS and clock() > deadline:
                break
            for index in rng.permutation(len(cases)):
                case = cases[int(index)]
                case.blocks.append(_block(case, clock))
    return [_result(case) for case in cases]


def winners(results: Iterable[Mapping[str, Any]]) -> dict[str, str | None]:
    """The fastest backend by batch size, from `measure`'s rows; keys are strings, as in JSON.

    None where its confidence interval overlaps that of any other: no winner is then proven.
    """
    ordered = sorted(results, key=lambda row: (row["batch_size"], row["mean_ms"]))
    found: dict[str, str | None] = {}
    for size, group in groupby(ordered, key=lambda row: row["batch_size"]):
        best, *others = group
        clear = all(best["ci95_ms"][1] < other["ci95_ms"][0] for other in others)
        found[str(size)] = best["backend"] if clear else None
    return found


def environment(threads: int | None) -> dict[str, Any]:
    """What the figures depend on: processor, threads of a call (None: the library's default),
    versions, the date, and how the intervals were made."""
    return {
        "cpu_model": host.cpu_model(),
        "cores": host.cores(),
        "machine_cores": machine_cores(),
        "threads": threads,
        "versions": host.versions(),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "date": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "method": METHOD,
    }


def _cases(
    runners: Mapping[str, Runner],
    rows: Tensors,
    timed: Sequence[str],
    batch_sizes: Sequence[int],
    reference: str,
) -> list[_Case]:
    cases: list[_Case] = []
    for size in batch_sizes:
        batch = take(rows, 0, size)
        expected = runners[reference].run(batch) if reference in runners else None
        for name in timed:
            got = runners[name].run(batch)
            error = None if expected is None else max_abs_error(expected, got)
            finite = error if error is not None and math.isfinite(error) else None
            cases.append(_Case(name, size, partial(runners[name].run, batch), finite))
    return cases


def _plan(case: _Case, min_time_s: float, clock: Clock) -> None:
    """Warm a case up, and from its speed decide how many calls a block has."""
    start = clock()
    times: list[int] = []
    while len(times) < LEAST_WARM_UP_CALLS or clock() - start < WARM_UP_NS:
        before = clock()
        case.call()
        times.append(clock() - before)
    usual = max(1.0, float(np.median(times[len(times) // 2 :])))
    case.calls = max(1, round(min_time_s * 1e9 / BLOCKS / usual))
    case.settle = math.ceil(SETTLE_NS / usual)


def _block(case: _Case, clock: Clock) -> NDArray[np.int64]:
    """The nanoseconds of each call of one block."""
    call = case.call
    for _ in range(case.settle):
        call()
    times = [0] * case.calls
    for index in range(case.calls):
        start = clock()
        call()
        times[index] = clock() - start
    return np.array(times, np.int64)


def _result(case: _Case) -> dict[str, Any]:
    """Blocks have equal numbers of calls, so the mean of their means is the mean of all calls."""
    calls_ms = np.concatenate(case.blocks) / 1e6
    block_means = [float(block.mean()) / 1e6 for block in case.blocks]
    mean = float(np.mean(block_means))
    p50, p90, p99 = (float(p) for p in np.percentile(calls_ms, (50, 90, 99)))
    return {
        "backend": case.backend,
        "batch_size": case.batch_size,
        "mean_ms": mean,
        "p50_ms": p50,
        "p90_ms": p90,
        "p99_ms": p99,
        "rows_per_s": case.batch_size / mean * 1e3,
        "ci95_ms": list(mean_interval(block_means)),
        "runs": len(calls_ms),
        "blocks": len(case.blocks),
        "max_abs_error": case.max_abs_error,
    }


@contextmanager
def _no_garbage_collection() -> Generator[None]:
    """Python's collector would walk the whole heap inside somebody's block, and nobody's model."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
