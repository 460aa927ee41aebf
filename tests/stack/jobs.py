"""Jobs that are disturbed, and what they are compared with."""

from __future__ import annotations

from typing import Any

from tests.stack.compose import Compose, until
from torchkiln import Client
from torchkiln.types import Job

LONG: dict[str, Any] = {"epochs": 40}
"""Of image-classification: long enough to be disturbed in the middle."""
ENDS_WITHIN_S = 240


def submit(client: Client, model: str, params: dict[str, Any] = LONG) -> Job:
    """The same weights for the same params, wherever it runs."""
    return client.jobs.submit("image-classification", params=params, model=model, seed=7)


def under_way(client: Client, job: Job) -> Job:
    """The job once it has a checkpoint, and more to come."""
    until(lambda: client.jobs.checkpoints(job["id"]), "a checkpoint")
    found = client.jobs.get(job["id"])
    assert found["status"] == "running"
    return found


def ended(client: Client, job: Job) -> Job:
    found = client.jobs.wait(job["id"], timeout_s=ENDS_WITHIN_S, patience_s=120)
    assert found["status"] == "succeeded", found["error"]
    return found


def weights(client: Client, job: Job) -> str:
    """The digest of what a job that has ended trained."""
    version = client.jobs.get(job["id"])["model_version"]
    assert version is not None
    files = client.models.files(job["model"] or "", version)
    (digest,) = (file["sha256"] for file in files if file["name"].endswith(".safetensors"))
    return digest


def container_of(stack: Compose, job: Job) -> str:
    """The worker's that has the job."""
    worker = job["attempts"][-1]["worker"]
    return next(each for each in stack.containers("worker-cpu") if worker.startswith(each[:12]))
