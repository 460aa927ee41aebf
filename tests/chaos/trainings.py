"""Trainings whose every bit is known from a run that nobody has interrupted."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safetensors.numpy import load_file

from services.catalogue import Catalogue
from services.container import Container
from services.db.tables import Job
from services.events import Event
from services.job_request import NewJob
from services.job_state import TERMINAL
from services.job_views import JobView
from services.jobs import Jobs
from tests.chaos import exact_trainer
from tests.workers.stations import events_of
from tests.workers.worker_processes import ended

TRAININGS = {
    "moons, dropout": NewJob(
        "binary-classification", {"epochs": 60, "dropout": 0.2, "checkpoint_every": 1}
    ),
    "digits, batch norm": NewJob(
        "image-classification",
        {"net": "residual", "filters": [8, 16], "epochs": 4, "checkpoint_every": 1},
    ),
    "digits, within an epoch": NewJob(
        "image-classification",
        {"net": "cnn", "epochs": 5, "checkpoint_every": 20, "checkpoint_unit": "steps"},
    ),
}
"""Small, and with all that has a state: Adam, a schedule, dropout, running statistics."""
SHORT = {"exact": NewJob("exact", {"epochs": 200, "checkpoint_every": 1})}
"""Of the trainer in `exact_trainer`, which publishes nothing."""


@dataclass(frozen=True)
class Trained:
    """What must not depend on who was killed meanwhile."""

    weights: str
    """SHA-256 over the names and bytes of the tensors."""
    metrics: dict[int, dict[str, Any]]
    """Of each epoch, whose repetitions were equal."""
    results: dict[str, Any]


class Trainings:
    """Makes them by their names, and knows what each comes to when it is left alone."""

    def __init__(
        self, container: Container, table: Mapping[str, NewJob], catalogue: Catalogue
    ) -> None:
        self.container = container
        self.table = table
        self._jobs = Jobs(
            container.db, container.queue, catalogue, container.datasets, container.settings
        )
        self._left_alone: dict[str, Trained] = {}
        self._lock = threading.Lock()

    @classmethod
    def real(cls, container: Container) -> Trainings:
        return cls(container, TRAININGS, container.pipelines)

    @classmethod
    def short(cls, container: Container) -> Trainings:
        return cls(container, SHORT, Catalogue(exact_trainer.TABLE))

    def submit(self, name: str) -> str:
        """→ the new job's id."""
        return self._jobs.submit(self.table[name])[0].job.id

    def left_alone(self, name: str) -> Trained:
        """Made once, by the first who asks."""
        with self._lock:
            if name not in self._left_alone:
                view = ended(self.container, self.submit(name))
                check_ended_once(view, "succeeded")
                self._left_alone[name] = trained(self.container, view)
            return self._left_alone[name]


def trained(container: Container, view: JobView) -> Trained:
    """Of a job that has succeeded."""
    job = view.job
    weights = job.results.get("weights") or published_weights(container, job)
    return Trained(weights, series(events_of(container, job.id)), job.results)


def published_weights(container: Container, job: Job) -> str:
    row = container.registry.version(job.model or "", str(job.model_version)).row
    tensors = load_file(container.registry.directory(row) / "model.safetensors")
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode() + tensor.tobytes())
    return digest.hexdigest()


def series(events: list[Event]) -> dict[int, dict[str, Any]]:
    """The metrics by epoch. One that was trained twice has to say the same twice."""
    found: dict[int, dict[str, Any]] = {}
    for event in events:
        if event.type == "metrics":
            values = event.data["values"]
            assert found.setdefault(event.data["epoch"], values) == values
    return found


def check_ended_once(view: JobView, *outcomes: str) -> None:
    """Well, after attempts that ended so, and never again."""
    found = [attempt.outcome for attempt in view.attempts]
    assert found == [*outcomes], (found, view.job.error_message)
    assert [status for status, _ in view.transitions if status in TERMINAL] == ["succeeded"]
