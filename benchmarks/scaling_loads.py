"""What jobs, workers and serving processes ask of a database: the loads of `benchmarks.scaling`.

Each goes through the services that the product calls, without HTTP, broker or trainer: what is
left is the database, and the Python before it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.attempts import Report
from services.claims import Claim
from services.container import Container
from services.events import NewEvent
from services.job_request import NewJob
from services.publications import NewVersion

PIPELINE = "binary-classification"
VALUES = {"loss": 0.693147, "accuracy": 0.5, "val_loss": 0.693147, "val_accuracy": 0.5}
"""The metrics of an epoch, as an event carries them."""
Load = Callable[[], object]


@dataclass(frozen=True)
class Loads:
    """Each makes, for one of several writers at a time, what is called again and again."""

    container: Container

    def job(self) -> Load:
        """A job's way with ten epochs: submitted, claimed, reported, ended."""

        def once() -> None:
            claim = self.claimed()
            assert self.container.attempts.record(claim, report(10))
            assert self.container.attempts.succeed(claim, {"test_accuracy": 0.5})

        return once

    def publishing_job(self) -> Load:
        """The same with a version at its end, which other serving processes have to hear of."""
        version = NewVersion("binary", {"inputs": [], "outputs": []}, None, VALUES, {}, {}, [])

        def once() -> None:
            claim = self.claimed()
            assert self.container.attempts.record(claim, report(10))
            assert self.container.attempts.succeed(claim, {"test_accuracy": 0.5}, version)

        return once

    def events(self, number: int) -> Load:
        """A report of one job, which has `number` events."""
        claim = self.claimed()
        return lambda: self.container.attempts.record(claim, report(number))

    def beat(self) -> Load:
        claim = self.claimed()
        return lambda: self.container.attempts.beat(claim)

    def look(self) -> Load:
        claim = self.claimed()
        return lambda: self.container.attempts.look(claim)

    def sweep(self) -> Load:
        return self.container.sweeper.sweep

    def poll(self) -> Load:
        """What a serving process asks, to hear of changes whose notice was lost."""
        known = self.container.registry.snapshot()
        assert known is not None
        return lambda: self.container.registry.snapshot(known.revision)

    def claimed(self) -> Claim:
        # A model for each thread: writers of one model are in a line by themselves.
        model = f"bench-{threading.get_ident()}"
        view, _ = self.container.jobs.submit(NewJob(pipeline=PIPELINE, model=model))
        claim = self.container.attempts.claim(view.job.id, "worker-1")
        assert claim is not None
        return claim


def report(number: int) -> Report:
    events = [
        NewEvent("metrics", f"epoch {n}", data={"epoch": n, "values": VALUES})
        for n in range(1, number + 1)
    ]
    return Report(events, progress={"epoch": number, "epochs": 100}, metrics=VALUES)


def all_loads(loads: Loads) -> Mapping[str, Callable[[], Load]]:
    return {
        "a job with 10 events": loads.job,
        "a job that publishes a version": loads.publishing_job,
        "a report of 1 event": lambda: loads.events(1),
        "a report of 100 events": lambda: loads.events(100),
        "a heartbeat of a job": loads.beat,
        "a look at a job": loads.look,
        "a sweep": loads.sweep,
        "a poll of the registry": loads.poll,
    }
