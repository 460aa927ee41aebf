"""Benchmarks, from the claim to the end, over a real database; the trainer's part is played."""

from __future__ import annotations

import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import orjson
import pytest

from services.benchmarks import NewBenchmark
from services.container import Container
from services.db.tables import Benchmark
from services.job_state import JobStatus
from tests.services.factories import published
from tests.workers.stations import station
from tests.workers.waiting import wait_for
from workers.benchmark_supervisor import BenchmarkSupervisor
from workers.station import Station


@pytest.fixture
def container(local_container: Container) -> Container:
    return local_container


def station_of(container: Container, how: str) -> AbstractContextManager[Station]:
    command = (sys.executable, "-m", "tests.workers.scripted_trainer", how)
    return station(container, trainer=command)


def submit(container: Container) -> str:
    published(container, pipeline="binary-classification", model="moons")
    return container.benchmarks.submit(NewBenchmark("moons", batch_sizes=[1, 2], threads=1)).id


def run(container: Container, how: str, benchmark_id: str) -> Benchmark:
    with station_of(container, how) as here:
        BenchmarkSupervisor(here).run(benchmark_id)
        assert here.runs.subjects() == []
    return container.benchmarks.get(benchmark_id)


def test_what_was_measured_is_shown_and_used(container: Container) -> None:
    done = run(container, "succeed", submit(container))
    assert done.status == JobStatus.SUCCEEDED
    assert done.results == [{"backend": "eager", "batch_size": 1, "mean_ms": 0.5}]
    assert (done.environment, done.winners) == ({"cores": 2}, {"1": None})
    assert (done.host, done.attempts) == (container.host, 1)
    assert done.plot_key is not None
    spec = orjson.loads(container.storage.local_path(done.plot_key).read_bytes())
    version = container.registry.version("moons").row
    assert Path(spec["version_dir"]) == container.registry.directory(version)
    assert spec["signature"] == version.signature
    asked = {name: spec[name] for name in ("backends", "batch_sizes", "threads", "min_time_s")}
    assert asked == {
        "backends": ["eager", "onnxruntime"],
        "batch_sizes": [1, 2],
        "threads": 1,
        "min_time_s": 0.5,
    }


def test_a_benchmark_is_made_once(container: Container) -> None:
    benchmark_id = submit(container)
    run(container, "succeed", benchmark_id)
    assert run(container, "refuse", benchmark_id).status == JobStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("refuse", "export_failed", "the file cannot be read"),
        ("forget", "internal", "the trainer ended without a result"),
    ],
)
def test_a_failure_is_told(container: Container, how: str, code: str, message: str) -> None:
    failed = run(container, how, submit(container))
    assert (failed.status, failed.error_code) == (JobStatus.FAILED, code)
    assert failed.error_message == message


def test_files_that_are_gone_fail_it(container: Container) -> None:
    benchmark_id = submit(container)
    for file in container.registry.version("moons").row.files:
        container.storage.delete(file["key"])
    failed = run(container, "succeed", benchmark_id)
    assert (failed.status, failed.error_code) == (JobStatus.FAILED, "file_not_found")


def test_a_trainer_that_dies_is_replaced_three_times(container: Container) -> None:
    benchmark_id = submit(container)
    states = [run(container, "die", benchmark_id).status for _ in range(3)]
    assert states == [JobStatus.QUEUED, JobStatus.QUEUED, JobStatus.FAILED]
    assert container.benchmarks.get(benchmark_id).error_code == "lost"


def test_a_worker_that_leaves_does_not_wait_for_it(container: Container) -> None:
    benchmark_id = submit(container)
    with station_of(container, "hang") as here:
        running = threading.Thread(target=BenchmarkSupervisor(here).run, args=(benchmark_id,))
        running.start()
        wait_for(lambda: here.runs.subjects() == [benchmark_id], "it to run")
        here.runs.release(600)
        running.join(120)
    assert container.benchmarks.get(benchmark_id).status == JobStatus.QUEUED
