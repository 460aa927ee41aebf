"""The worker as it is run, with the pipelines as they are: from a submitted job to a benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.backends import BACKENDS
from services.benchmarks import NewBenchmark
from services.container import Container
from services.job_request import NewJob
from services.job_state import JobStatus
from tests.workers.stations import events_of, outcomes
from tests.workers.waiting import wait_for
from tests.workers.worker_processes import Start, ended, ready

pytestmark = [pytest.mark.slow, pytest.mark.long]

FILES = {
    "model.safetensors",
    "architecture.json",
    "model.torchscript.pt",
    "model.scripted.pt",
    "checkpoint.pt",
    "model.onnx",
    "model.pt2",
    "signature.json",
    "card.md",
}


def test_a_job_becomes_a_version_and_its_benchmark_is_made(
    container: Container, start: Start
) -> None:
    worker = start("-m", "workers")
    job_id = container.jobs.submit(
        NewJob("binary-classification", {"epochs": 12}, model="moons"), request_id="req_1"
    )[0].job.id
    ready(container, worker)
    view = ended(container, job_id)
    assert view.job.status == JobStatus.SUCCEEDED, worker.log.read_text()
    assert outcomes(view) == ["succeeded"]
    assert view.job.model_version == 1
    assert view.job.progress is not None
    assert view.job.progress["percent"] == 100
    _check_events(container, job_id, epochs=12)
    _check_version(container, job_id)
    for artifact in container.jobs.artifacts(job_id):
        stored = container.storage.local_path(artifact.key)
        assert stored.stat().st_size == artifact.size_bytes > 0
    _check_benchmark(container)
    wait_for(
        lambda: not [*container.settings.work_dir.glob("*/*")], "the work directories to be empty"
    )
    assert not any(str(Path.cwd()) in event.message for event in events_of(container, job_id))


def _check_events(container: Container, job_id: str, *, epochs: int) -> None:
    events = events_of(container, job_id)
    metrics = [event.data for event in events if event.type == "metrics"]
    assert [data["epoch"] for data in metrics] == [*range(1, epochs + 1)]
    assert {data["epochs"] for data in metrics} == {epochs}
    assert metrics[0]["step"] < metrics[-1]["step"] == metrics[-1]["steps"]
    (last_checkpoint, *_) = container.jobs.checkpoints(job_id)
    assert last_checkpoint.step == metrics[-1]["step"]
    assert events[-1].data["status"] == "succeeded"


def _check_version(container: Container, job_id: str) -> None:
    version = container.registry.version("moons")
    assert version.aliases == ["champion"]
    assert {file["name"] for file in version.row.files} == FILES
    directory = container.registry.directory(version.row)
    assert {path.name for path in directory.iterdir()} == FILES
    assert {state["status"] for state in version.row.backends.values()} == {"certified"}
    lineage = version.row.lineage
    assert lineage["job_id"] == job_id
    assert lineage["params"]["epochs"] == 12
    assert lineage["checkpoint_sha256"] == container.jobs.checkpoints(job_id)[0].sha256
    assert lineage["versions"]["torch"]
    assert len(lineage["dataset_sha256"]) == 64


def _check_benchmark(container: Container) -> None:
    asked = NewBenchmark("moons", batch_sizes=[1, 4], threads=1, min_time_s=0.05)
    benchmark_id = container.benchmarks.submit(asked).id
    done = wait_for(
        lambda: (row := container.benchmarks.get(benchmark_id)).finished_at and row, "the benchmark"
    )
    assert done.status == JobStatus.SUCCEEDED, done.error_message
    assert {(row["backend"], row["batch_size"]) for row in done.results or []} == {
        (backend, size) for backend in BACKENDS for size in (1, 4)
    }
    assert done.plot_key is not None
    assert container.storage.local_path(done.plot_key).read_bytes().startswith(b"\x89PNG")
    assert set(container.registry.version("moons").preferred_backend or {}) == {"1", "4"}
