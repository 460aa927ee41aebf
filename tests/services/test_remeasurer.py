"""Figures of a host that has changed: not believed, and made again, once."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from models import fingerprints
from models.latency import environment
from services.benchmark_runs import Measured
from services.benchmarks import NewBenchmark
from services.container import Container
from services.db.tables import Benchmark
from services.job_state import JobStatus
from services.remeasurer import GIVEN_UP, PAUSE, Remeasurer
from services.settings import AutoBenchmark
from tests.services import factories
from tests.services.conftest import RecordingQueue

MODEL = "binary-classification"
NOW = environment(1)
THEN = {**NOW, "versions": {**NOW["versions"], "onnxruntime": "1.0.0"}}


def remeasurer(container: Container, which: AutoBenchmark = "stale") -> Remeasurer:
    return Remeasurer(container.db, container.queue, container.host, which)


def finish(container: Container, benchmark_id: str, told: Mapping[str, Any]) -> None:
    claim = container.benchmark_runs.claim(benchmark_id, "worker-1")
    assert claim is not None
    plot = container.settings.data_dir / "plot.png"
    plot.write_bytes(b"png")
    figures = [
        {"backend": name, "batch_size": size, "mean_ms": mean * size}
        for size in (1, 4)
        for name, mean in (("eager", 1.0), ("onnxruntime", 2.0))
    ]
    measured = Measured(figures, told, {"1": None}, container.host, plot)
    assert container.benchmark_runs.succeed(claim, measured)


def age(container: Container, by: timedelta) -> None:
    """Let every benchmark be so much older."""
    with container.db.write() as session:
        for row in session.query(Benchmark).all():
            session.execute(
                update(Benchmark)
                .where(Benchmark.id == row.id)
                .values(created_at=row.created_at - by, woken_at=row.woken_at - by)
            )


@pytest.fixture
def outgrown(container: Container) -> Container:
    """A champion whose figures are from before an upgrade."""
    factories.published(container)
    row = container.benchmarks.submit(NewBenchmark(MODEL, batch_sizes=[1, 4], min_time_s=0.25))
    finish(container, row.id, THEN)
    age(container, 2 * PAUSE)
    return container


def test_figures_of_another_host_or_library_are_not_believed(outgrown: Container) -> None:
    assert outgrown.registry.version(MODEL).preferred_backend is None
    finish(outgrown, outgrown.benchmarks.submit(NewBenchmark(MODEL)).id, NOW)
    assert outgrown.registry.version(MODEL).preferred_backend == {"1": "eager", "4": "eager"}
    for changed in ({"cpu_model": "another"}, {"machine_cores": 4096}, {"versions": {}}):
        assert fingerprints.of({**NOW, **changed}) != fingerprints.of(NOW)
    assert fingerprints.of(NOW) == fingerprints.present()
    assert (fingerprints.of({"cores": 2}), fingerprints.of(None)) == (None, None)


def test_workers_that_look_at_once_ask_once(outgrown: Container, queue: RecordingQueue) -> None:
    queue.woken.clear()
    with ThreadPoolExecutor(4) as pool:
        asked = list(pool.map(lambda _: remeasurer(outgrown).run(), range(4)))
    assert sum(asked) == 1
    (again,) = queue.woken
    row = outgrown.benchmarks.get(again)
    assert (row.host, row.version) == (outgrown.host, 1)
    assert row.request == {
        "backends": ["eager", "onnxruntime"],
        "batch_sizes": [1, 4],
        "threads": None,
        "min_time_s": 0.25,
    }
    finish(outgrown, again, NOW)
    assert outgrown.registry.version(MODEL).preferred_backend == {"1": "eager", "4": "eager"}
    age(outgrown, 2 * PAUSE)
    assert remeasurer(outgrown).run() == 0


def test_only_workers_of_the_host_make_it(outgrown: Container, queue: RecordingQueue) -> None:
    assert remeasurer(outgrown).run() == 1
    with outgrown.db.write() as session:
        session.execute(update(Benchmark).values(host="elsewhere"))
    assert outgrown.benchmark_runs.claim(queue.woken[-1], "worker-1") is None
    assert outgrown.benchmarks.get(queue.woken[-1]).status == JobStatus.QUEUED
    age(outgrown, 2 * GIVEN_UP)
    remeasurer(outgrown).run()
    done = outgrown.benchmarks.get(queue.woken[-1])
    assert (done.status, done.error_code) == ("failed", "lost")


def test_one_that_fails_is_not_repeated_at_once(outgrown: Container, queue: RecordingQueue) -> None:
    assert remeasurer(outgrown).run() == 1
    claim = outgrown.benchmark_runs.claim(queue.woken[-1], "worker-1")
    assert claim is not None
    assert remeasurer(outgrown).run() == 0
    outgrown.benchmark_runs.fail(claim, "export_failed", "a file is gone")
    assert remeasurer(outgrown).run() == 0
    age(outgrown, 2 * PAUSE)
    assert remeasurer(outgrown).run() == 1


def test_what_was_never_measured_is_measured_where_that_is_wanted(container: Container) -> None:
    factories.published(container)
    factories.published(container, model="one", backends={"eager": {"status": "certified"}})
    asked = [remeasurer(container, which).run() for which in ("stale", "off", "all", "all")]
    assert asked == [0, 0, 1, 0]
    (row,) = container.benchmarks.list().data
    assert (row.model, row.request["batch_sizes"]) == (MODEL, [1, 8, 32])
