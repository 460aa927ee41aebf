"""Training jobs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from torchkiln.client.events import EventStream
from torchkiln.client.patience import Patience
from torchkiln.client.transport import Transport, path
from torchkiln.errors import NotFound, Problem, TimedOut, TorchkilnError
from torchkiln.types import TERMINAL, Checkpoint, Delivery, Event, File, Job

POLL_S = 0.5


class Jobs:
    """`client.jobs`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def submit(
        self,
        pipeline: str,
        *,
        params: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Job:
        """Queue a training job. → the job, `queued`.

        `options` are the contract's other fields: dataset, model, device, world_size, hosts,
        min_world_size, priority, seed, promote, metadata, stop, webhook; those that are None are
        left to the service. The same `idempotency_key` with the same request gives the same job
        instead of a second one. Raises `Invalid` naming each field at fault.
        """
        given = {key: value for key, value in options.items() if value is not None}
        body = {"pipeline": pipeline, "params": dict(params or {}), **given}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
        return cast(Job, self._transport.post("/v1/jobs", body, headers))

    def get(self, job_id: str) -> Job:
        return cast(Job, self._transport.get(path("v1", "jobs", job_id)))

    def list(
        self,
        *,
        status: str | None = None,
        pipeline: str | None = None,
        model: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> list[Job]:
        """Jobs, newest first; `limit` is 1 to 200, `after` the id of the last one seen."""
        found = self._transport.get(
            "/v1/jobs", status=status, pipeline=pipeline, model=model, limit=limit, after=after
        )
        return cast(list[Job], found["data"])

    def events(self, job_id: str, *, after: int = 0, patience_s: float = 60.0) -> EventStream:
        """The job's events as they happen, from the one behind `after`, until the job ends.

        `patience_s` is how long a service that cannot be reached is borne.
        """
        return EventStream(self._transport, job_id, after=after, patience_s=patience_s)

    def history(
        self, job_id: str, *, after: int = 0, limit: int | None = None
    ) -> tuple[list[Event], bool]:
        """The events so far, oldest first, and whether there are more behind them."""
        found = self._transport.get(path("v1", "jobs", job_id, "events"), after=after, limit=limit)
        return cast(list[Event], found["data"]), bool(found["has_more"])

    def wait(self, job_id: str, *, timeout_s: float | None = None, patience_s: float = 60.0) -> Job:
        """The job once it has ended, however it did. Raises `TimedOut` after `timeout_s`."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        patience = Patience(patience_s)
        while True:
            try:
                job = self.get(job_id)
            except TorchkilnError as error:
                patience.failed(error)
                continue
            patience.succeeded()
            if job["status"] in TERMINAL:
                return job
            if deadline is not None and time.monotonic() >= deadline:
                raise TimedOut(f"job {job_id} is still {job['status']} after {timeout_s} s")
            time.sleep(POLL_S)

    def pause(self, job_id: str) -> Job:
        """Ask a job to write a checkpoint and wait. Raises `Conflict` unless it is running."""
        return self._act(job_id, "pause")

    def resume(
        self,
        job_id: str,
        *,
        checkpoint: str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Job:
        """Queue a job that is paused, has failed or was cancelled for another attempt, or take back
        a pause. → the job.

        It goes on from `checkpoint`, one of the job's own, or else from the latest. `params` are
        those to change, as `{"epochs": 20}`. Raises `Conflict` in any other state, `NotFound` for
        an unknown checkpoint and `Invalid` for params that it does not allow.
        """
        chosen = {} if checkpoint is None else {"checkpoint": checkpoint}
        return self._act(job_id, "resume", {**chosen, "params": dict(params or {})})

    def cancel(self, job_id: str) -> Job:
        """Ask a job to write a checkpoint and stop. Raises `Conflict` if it has ended."""
        return self._act(job_id, "cancel")

    def kill(self, job_id: str) -> Job:
        """Stop a job at once, without a checkpoint."""
        return self._act(job_id, "kill")

    def _act(self, job_id: str, action: str, body: Mapping[str, Any] | None = None) -> Job:
        return cast(Job, self._transport.post(path("v1", "jobs", job_id, action), body or {}))

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        url = path("v1", "jobs", job_id, "checkpoints")
        return cast(list[Checkpoint], self._transport.whole_list(url, "id"))

    def deliveries(self, job_id: str) -> list[Delivery]:
        """What was or is to be sent to the job's webhook, newest first."""
        url = path("v1", "jobs", job_id, "deliveries")
        return cast(list[Delivery], self._transport.whole_list(url, "id"))

    def artifacts(self, job_id: str) -> list[File]:
        """What the job left for people: plots, and the numbers behind them."""
        url = path("v1", "jobs", job_id, "artifacts")
        return cast(list[File], self._transport.whole_list(url, "name"))

    def download_artifact(self, job_id: str, name: str, target: Path) -> Path:
        """Fetch one artifact into the file `target`. Raises `Damaged` if it is not whole."""
        for artifact in self.artifacts(job_id):
            if artifact["name"] == name:
                url = path("v1", "jobs", job_id, "artifacts", name)
                return self._transport.download(url, target, sha256=artifact["sha256"])
        detail = f"job {job_id} has no artifact {name!r}"
        raise NotFound(Problem(404, "artifact_not_found", "Not Found", detail))

    def download_checkpoint(self, job_id: str, checkpoint: Checkpoint, target: Path) -> Path:
        """Fetch a checkpoint, as `checkpoints` listed it, into the file `target`."""
        url = path("v1", "jobs", job_id, "checkpoints", checkpoint["id"], "download")
        return self._transport.download(url, target, sha256=checkpoint["sha256"])
