"""What torchkiln's processes are started on: a database with the models in its registry, a key,
and a broker."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.models import Model
from services.container import Container
from services.db import migrate
from services.db.tables import Benchmark, Job
from services.job_request import NewJob
from services.keys import Scope
from services.publications import NewVersion, StoredFile
from services.settings import Settings
from torchkiln.supervisor.broker import Broker

BROKER_LIMIT_S = 20.0


@dataclass(frozen=True)
class Kiln:
    data_dir: Path
    secret: str
    """An API key that may predict."""
    redis_url: str


class NoWorkers:
    """A `Queue` that wakes nobody: the job that publishes is done right here."""

    def wake_job(self, job: Job) -> None: ...

    def wake_benchmark(self, benchmark: Benchmark) -> None: ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


@contextmanager
def prepared(models: Sequence[Model], directory: Path) -> Generator[Kiln]:
    """A registry that holds `models`, each as the champion of its name, while a broker runs."""
    directory.mkdir(parents=True)
    container = Container(Settings(data_dir=directory), queue=NoWorkers())
    try:
        migrate.upgrade(container.db)
        for model in models:
            _register(container, model)
        _, secret = container.keys.create("benchmark", [Scope.PREDICT])
    finally:
        container.close()
    with _broker(directory) as url:
        yield Kiln(directory, secret, url)


def _register(container: Container, model: Model) -> None:
    """Publish `model` as a finished job does."""
    made = model.publication
    submitted, _ = container.jobs.submit(NewJob("image-classification", model=model.name))
    claim = container.attempts.claim(submitted.job.id, socket.gethostname())
    files: list[StoredFile] = []
    for file in made.files:
        key = f"models/{model.name}/{file.name}"
        container.storage.put_file(file.path, key)
        files.append(StoredFile(file.name, file.media_type, file.size_bytes, file.sha256, key))
    version = NewVersion(
        task=made.task,
        signature=made.signature.to_json(),
        classes=made.classes,
        metrics=made.metrics,
        backends=made.backends,
        lineage={"job_id": submitted.job.id},
        files=files,
    )
    if claim is None or not container.attempts.succeed(claim, {}, version):
        raise RuntimeError(f"{model.name} could not be published")


@contextmanager
def _broker(directory: Path) -> Generator[str]:
    """The embedded one, as `torchkiln up` starts it."""
    broker = Broker(directory, directory / "broker.log")
    program = broker.program()
    with program.log.open("wb") as log:
        process = subprocess.Popen(
            program.command, env=program.env, cwd=program.cwd, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + BROKER_LIMIT_S
        while said := broker.ping():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the broker did not start: {said}")
            time.sleep(0.02)
        yield broker.url
    finally:
        process.terminate()
        process.wait()
