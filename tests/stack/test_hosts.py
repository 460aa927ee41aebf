"""One job over two worker containers: a rendezvous across hosts, and a host that is lost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stack import jobs
from tests.stack.compose import Compose, docker
from tests.stack.conftest import Tell
from torchkiln import Client
from torchkiln.types import Job

pytestmark = pytest.mark.compose

SHORT: dict[str, Any] = {"epochs": 10}
CLOSE = 0.03
"""Of an accuracy on some hundred held-out pictures: dropout and batch norm differ by the rank."""


def submit(client: Client, model: str, params: dict[str, Any], **spread: int) -> Job:
    return client.jobs.submit(
        "image-classification", params=params, model=model, seed=7, device="cpu", **spread
    )


def members(client: Client, job: Job) -> list[str]:
    """The workers that its leader has gathered, the latest time."""
    events, _ = client.jobs.history(job["id"], limit=200)
    return [event["data"]["members"] for event in events if "members" in event["data"]][-1]


def container_of(stack: Compose, worker: str) -> str:
    return next(each for each in stack.containers("worker-cpu") if worker.startswith(each[:12]))


def test_two_containers_train_one_model_as_well_as_one_process(
    scaled: Compose, client: Client, tell: Tell
) -> None:
    spread = jobs.ended(client, submit(client, "spread-out", SHORT, world_size=2, hosts=2))
    alone = jobs.ended(client, submit(client, "alone", SHORT))
    (member,) = members(client, spread)
    leader = spread["attempts"][-1]["worker"]
    assert container_of(scaled, leader) != container_of(scaled, member)
    accuracy, expected = (job["results"]["test_accuracy"] for job in (spread, alone))
    assert accuracy == pytest.approx(expected, abs=CLOSE)
    version = client.models.version("spread-out", spread["model_version"] or 0)
    assert version["backends"]["onnxruntime"]["status"] == "certified"
    tell(f"one job over two containers: accuracy {accuracy:.4f}, in one process {expected:.4f}")


def test_a_container_that_is_killed_leaves_the_job_to_the_other(
    scaled: Compose, client: Client, tell: Tell
) -> None:
    spread = {"world_size": 2, "hosts": 2, "min_world_size": 1}
    job = submit(client, "left", jobs.LONG, **spread)
    jobs.under_way(client, job)
    (member,) = members(client, job)
    docker("kill", container_of(scaled, member))
    after = jobs.ended(client, job)
    assert [each["outcome"] for each in after["attempts"]] == ["lost", "succeeded"]
    assert [each["exact"] for each in after["attempts"]] == [True, False]
    tell(f"a container of two killed: {after['results']['test_accuracy']:.4f} with the other alone")
