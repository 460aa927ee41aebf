"""What torchkiln's processes are started on: a database with the models in its registry, a key,
and a broker."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import registry
from benchmarks.serving.models import Model
from services.keys import Scope
from torchkiln.supervisor.broker import Broker

BROKER_LIMIT_S = 20.0


@dataclass(frozen=True)
class Kiln:
    data_dir: Path
    secret: str
    """An API key that may predict."""
    redis_url: str


@contextmanager
def prepared(models: Sequence[Model], directory: Path) -> Generator[Kiln]:
    """A registry that holds `models`, each as the champion of its name, while a broker runs."""
    with registry.empty(directory) as container:
        for model in models:
            registry.add(container, model.name, model.publication)
        _, secret = container.keys.create("benchmark", [Scope.PREDICT])
    with _broker(directory) as url:
        yield Kiln(directory, secret, url)


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
