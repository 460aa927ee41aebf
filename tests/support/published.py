"""Real models in a registry: exported once a test session, published as often as tests like."""

from __future__ import annotations

import atexit
import itertools
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from models.latency import environment
from models.publishing import Publication, TrainedModel, publish
from services.benchmark_runs import Measured
from services.benchmarks import NewBenchmark
from services.container import Container
from services.job_request import NewJob
from services.publications import NewVersion, StoredFile
from tests.support.models import MODELS, RecordingReporter

_numbers = itertools.count()


@cache
def trained(kind: str) -> TrainedModel:
    return MODELS[kind]()


@cache
def exported(kind: str) -> Publication:
    """Every backend's export of one of `tests.support.models.MODELS`."""
    directory = Path(tempfile.mkdtemp(prefix="torchkiln-test-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, which have tests of their own
        return publish(trained(kind), directory, report=RecordingReporter())


def add_version(
    container: Container,
    kind: str,
    *,
    name: str = "demo",
    promote: str = "never",
    backends: Mapping[str, Mapping[str, Any]] | None = None,
) -> int:
    """Publish a version of `name` as a finished job would. → its number."""
    made = exported(kind)
    new = NewJob("image-classification", model=name, promote=promote)
    job = container.jobs.submit(new)[0].job
    claim = container.attempts.claim(job.id, "worker-1")
    assert claim is not None
    prefix = f"models/{name}/{next(_numbers)}"
    files: list[StoredFile] = []
    for file in made.files:
        key = f"{prefix}/{file.name}"
        container.storage.put_file(file.path, key)
        files.append(StoredFile(file.name, file.media_type, file.size_bytes, file.sha256, key))
    version = NewVersion(
        task=made.task,
        signature=made.signature.to_json(),
        classes=made.classes,
        metrics=made.metrics,
        backends=made.backends if backends is None else backends,
        lineage={"job_id": job.id},
        files=files,
    )
    assert container.attempts.succeed(claim, {}, version)
    number = container.jobs.get(job.id).job.model_version
    assert number is not None
    return number


def add_benchmark(container: Container, name: str, mean_ms: Mapping[str, float]) -> str:
    """A finished benchmark of `name`'s champion at batch size 1, on this host. → its id."""
    row = container.benchmarks.submit(NewBenchmark(name, batch_sizes=[1]))
    claim = container.benchmark_runs.claim(row.id, "worker-1")
    assert claim is not None
    results = [
        {
            "backend": backend,
            "batch_size": 1,
            "mean_ms": mean,
            "p50_ms": mean,
            "p90_ms": mean,
            "p99_ms": mean,
            "rows_per_s": 1000 / mean,
            "ci95_ms": [mean * 0.9, mean * 1.1],
            "runs": 100,
            "max_abs_error": 0.0,
        }
        for backend, mean in mean_ms.items()
    ]
    winner = min(mean_ms, key=lambda backend: mean_ms[backend])
    plot = container.settings.data_dir / "plot.png"
    plot.write_bytes(b"\x89PNG a plot")
    measured = Measured(results, environment(1), {"1": winner}, container.host, plot)
    assert container.benchmark_runs.succeed(claim, measured)
    return row.id
