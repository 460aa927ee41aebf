"""Timing is tested on a clock that only fake runners move: no assertion depends on the machine."""

from __future__ import annotations

import gc
import json
import re
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import host
from models.backends.base import Runner
from models.latency import BLOCKS, LEAST_BLOCKS, environment, measure, winners
from tests.support.models import FunctionRunner

ROWS = {"features": np.arange(12, dtype=np.float32).reshape(6, 2)}
MS = 1_000_000


class Bench:
    """A clock, and runners that take a given time of it and note the order of their calls."""

    def __init__(self) -> None:
        self.now = 0
        self.calls: list[str] = []

    def clock(self) -> int:
        return self.now

    def runner(self, name: str, *costs_ms: float, error: float = 0.0) -> Runner:
        """Costs come round again; the last one stays."""
        left = list(costs_ms)

        def spend() -> None:
            self.calls.append(name)
            self.now += int((left.pop(0) if len(left) > 1 else left[0]) * MS)

        return FunctionRunner(lambda x: x + np.float32(error), before=spend)

    def measure(self, runners: dict[str, Runner], **options: Any) -> list[dict[str, Any]]:
        settings: dict[str, Any] = {"batch_sizes": [1], "min_time_s": 0.1, "seed": 0}
        return measure(runners, ROWS, clock=self.clock, **(settings | options))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_figures_are_those_of_the_clock(bench: Bench) -> None:
    rows = bench.measure(
        {"eager": bench.runner("eager", 2.0), "fast": bench.runner("fast", 0.5, error=0.25)},
        batch_sizes=[1, 4],
    )
    assert [(row["batch_size"], row["backend"]) for row in rows] == [
        (1, "eager"),
        (1, "fast"),
        (4, "eager"),
        (4, "fast"),
    ]
    eager, fast = rows[2:]
    assert eager["mean_ms"] == eager["p50_ms"] == eager["p99_ms"] == pytest.approx(2.0)
    assert eager["ci95_ms"] == [pytest.approx(2.0), pytest.approx(2.0)]
    assert eager["rows_per_s"] == pytest.approx(2000)
    assert fast["rows_per_s"] == pytest.approx(8000)
    assert (eager["max_abs_error"], fast["max_abs_error"]) == (0.0, 0.25)
    assert eager["runs"] == pytest.approx(50, abs=BLOCKS)
    json.dumps(rows, allow_nan=False)


def test_a_case_is_timed_for_about_the_time_asked_for(bench: Bench) -> None:
    (row,) = bench.measure({"eager": bench.runner("eager", 0.01)}, min_time_s=2.0)
    assert row["runs"] == 200_000
    assert row["blocks"] == BLOCKS


def test_percentiles_are_over_single_calls(bench: Bench) -> None:
    costs = ([1.0] * 19 + [101.0]) * 400
    (row,) = bench.measure({"eager": bench.runner("eager", *costs)}, min_time_s=2.0)
    assert row["p50_ms"] == row["p90_ms"] == pytest.approx(1.0)
    assert row["p99_ms"] == pytest.approx(101.0)
    assert row["mean_ms"] == pytest.approx(6.0, rel=0.5)


def test_backends_take_turns_in_random_order(bench: Bench) -> None:
    names = ["eager", "one", "two"]
    bench.measure({name: bench.runner(name, 1.0) for name in names})
    share = Counter(bench.calls)
    assert max(share.values()) - min(share.values()) <= 1  # the reference answers once more
    stretches = [name for name, _ in groupby(bench.calls)]
    assert len(stretches) > BLOCKS  # blocks alternate instead of running one backend after another
    orders = set(zip(*[iter(stretches[-30:])] * 3, strict=True))
    assert len(orders) > 2  # not one fixed rotation


def test_the_seed_decides_the_order(bench: Bench) -> None:
    def order(seed: int) -> list[str]:
        again = Bench()
        again.measure({name: again.runner(name, 1.0) for name in ("eager", "one")}, seed=seed)
        return again.calls

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_warm_up_is_not_counted(bench: Bench) -> None:
    """The first call, which compiles, takes a second; no figure shows it."""
    (row,) = bench.measure({"eager": bench.runner("eager", 1000.0, 1000.0, 1.0)})
    assert row["p99_ms"] == row["mean_ms"] == pytest.approx(1.0)


def test_only_what_is_asked_for_is_timed(bench: Bench) -> None:
    """A rejected backend is not measured, and the reference only answers once a batch size."""
    runners = {name: bench.runner(name, 1.0) for name in ("eager", "fast", "rejected")}
    rows = bench.measure(runners, only=["fast"], batch_sizes=[1, 2])
    assert {row["backend"] for row in rows} == {"fast"}
    assert Counter(bench.calls)["eager"] == 2
    assert "rejected" not in bench.calls
    assert all(row["max_abs_error"] == 0.0 for row in rows)


def test_without_the_reference_there_is_no_error(bench: Bench) -> None:
    (row,) = bench.measure({"fast": bench.runner("fast", 1.0)})
    assert row["max_abs_error"] is None


def test_an_infinite_error_is_left_out(bench: Bench) -> None:
    runners = {
        "eager": bench.runner("eager", 1.0),
        "odd": bench.runner("odd", 1.0, error=float("nan")),
    }
    assert [row["max_abs_error"] for row in bench.measure(runners)] == [0.0, None]


def test_slow_models_take_a_bounded_number_of_calls(bench: Bench) -> None:
    (row,) = bench.measure({"eager": bench.runner("eager", 10_000.0)}, min_time_s=0.1)
    assert row["blocks"] == row["runs"] == LEAST_BLOCKS
    assert len(bench.calls) < 20


def test_rows_are_repeated_for_larger_batches(bench: Bench) -> None:
    seen: set[tuple[int, ...]] = set()
    runner = FunctionRunner(lambda x: x)
    original = runner.run

    def look(inputs: Any) -> Any:
        bench.now += MS
        seen.add(inputs["features"].shape)
        np.testing.assert_array_equal(inputs["features"][6], ROWS["features"][0])
        return original(inputs)

    runner.run = look
    bench.measure({"eager": runner}, batch_sizes=[8])
    assert seen == {(8, 2)}


def test_garbage_collection_is_off_while_timing_and_on_again_after(bench: Bench) -> None:
    states: set[bool] = set()
    runner = FunctionRunner(lambda x: x)

    def look(inputs: Any) -> Any:
        bench.now += MS
        states.add(gc.isenabled())
        return {"answer": inputs["features"]}

    runner.run = look
    measure({"eager": runner}, ROWS, batch_sizes=[1], min_time_s=0.05, seed=0, clock=bench.clock)
    assert False in states
    assert gc.isenabled()


results = st.lists(
    st.tuples(
        st.sampled_from([1, 8, 32]), st.sampled_from("abcd"), st.floats(0.1, 10), st.floats(0, 3)
    ),
    unique_by=lambda row: row[:2],
    max_size=12,
).map(
    lambda rows: [
        {
            "batch_size": size,
            "backend": name,
            "mean_ms": mean,
            "ci95_ms": [max(0.0, mean - half), mean + half],
        }
        for size, name, mean, half in rows
    ]
)


@given(results, st.randoms())
def test_a_winner_is_clear_of_all_others(rows: list[dict[str, Any]], random: Any) -> None:
    found = winners(rows)
    assert set(found) == {str(row["batch_size"]) for row in rows}
    for size, name in found.items():
        group = [row for row in rows if str(row["batch_size"]) == size]
        clear = [
            row["backend"]
            for row in group
            if all(row["ci95_ms"][1] < other["ci95_ms"][0] for other in group if other is not row)
        ]
        assert clear == ([] if name is None else [name])
    shuffled = rows.copy()
    random.shuffle(shuffled)
    assert winners(shuffled) == found


def test_one_backend_alone_wins_and_touching_intervals_do_not() -> None:
    row = {"batch_size": 1, "backend": "eager", "mean_ms": 2.0, "ci95_ms": [1.0, 3.0]}
    assert winners([row]) == {"1": "eager"}
    other = {"batch_size": 1, "backend": "fast", "mean_ms": 0.5, "ci95_ms": [0.1, 1.0]}
    assert winners([row, other]) == {"1": None}
    assert winners([]) == {}


def test_the_environment_names_hardware_versions_and_date() -> None:
    found = environment(2)
    assert found["threads"] == 2
    assert found["cores"] >= 1
    assert found["cpu_model"]
    assert set(found["versions"]) == {"python", "torch", "onnxruntime", "numpy"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["date"])
    json.dumps(found)


def test_the_processor_is_named_without_proc(tmp_path: Path) -> None:
    assert host.cpu_model(tmp_path / "missing")
