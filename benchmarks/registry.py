"""A registry of the benchmarks' own, in a directory that goes with them: what a job publishes and a
worker measures, without either."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from models.benchmarking import benchmark
from models.latency_plot import draw
from models.publishing import Publication
from models.tuning import Tuner
from services.benchmark_runs import Measured
from services.benchmarks import NewBenchmark
from services.container import Container
from services.db import migrate
from services.db.tables import Benchmark, Job
from services.publications import NewVersion, Origin, StoredFile, insert_version
from services.queue import QueueName
from services.settings import Settings


class Nobody:
    """A `Queue` that wakes no worker."""

    def wake_job(self, job: Job) -> None: ...

    def wake_ranks(self, job: Job, device: str) -> None: ...

    def wake_benchmark(self, benchmark: Benchmark) -> None: ...

    def waiting(self) -> dict[QueueName, int]:
        return {"cpu": 0, "gpu": 0}

    def ping(self) -> None: ...

    def close(self) -> None: ...


@contextmanager
def empty(directory: Path) -> Generator[Container]:
    """The services over a database in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    container = Container(Settings(data_dir=directory), queue=Nobody())
    try:
        migrate.upgrade(container.db)
        yield container
    finally:
        container.close()


def opened(directory: Path) -> Container:
    """The services over a database that is there."""
    return Container(Settings(data_dir=directory), queue=Nobody())


def add(container: Container, name: str, made: Publication) -> None:
    """Make `made` the champion of a model."""
    files: list[StoredFile] = []
    for file in made.files:
        key = f"models/{name}/bench/{file.name}"
        container.storage.put_file(file.path, key)
        files.append(StoredFile(file.name, file.media_type, file.size_bytes, file.sha256, key))
    version = NewVersion(
        task=made.task,
        signature=made.signature.to_json(),
        classes=made.classes,
        metrics=made.metrics,
        backends=made.backends,
        lineage={},
        files=files,
    )
    with container.db.write() as session:
        insert_version(session, Origin(name, None, "never"), version, container.db.now(session))


def tuner_of(container: Container) -> Tuner:
    """As the API and the workers have it."""
    settings = container.settings
    return Tuner(settings.tuning_dir, budget_s=settings.tune_budget_s, compiles=settings.aot)


def measure(
    container: Container, name: str, made: Publication, *, sizes: Sequence[int], min_time_s: float
) -> None:
    """The benchmark by which `auto` is served, as a worker makes it."""
    new = NewBenchmark(name, batch_sizes=sizes, min_time_s=min_time_s)
    row = container.benchmarks.submit(new)
    claim = container.benchmark_runs.claim(row.id, "benchmarks")
    if claim is None:
        raise RuntimeError(f"the benchmark {row.id} was claimed by somebody else")
    version = container.registry.version(name).row
    found = benchmark(
        container.registry.directory(version),
        made.signature,
        tuner=tuner_of(container),
        **claim.benchmark.request,
    )
    plot = container.settings.data_dir / "plot.png"
    plot.write_bytes(draw(found["results"], found["environment"]))
    told = Measured(found["results"], found["environment"], found["winners"], container.host, plot)
    container.benchmark_runs.succeed(claim, told)
