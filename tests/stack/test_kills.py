"""Containers that are killed, and what is promised then."""

from __future__ import annotations

import os
import signal

import pytest

from tests.stack import jobs
from tests.stack.compose import Compose, docker, healthy, inspect, until
from tests.stack.conftest import ROWS, Tell
from tests.stack.load import load
from torchkiln import Client
from torchkiln.errors import TorchkilnError

pytestmark = pytest.mark.compose

SHORT = {"epochs": 2}


def test_a_killed_worker_costs_an_attempt_and_nothing_else(
    scaled: Compose, client: Client, tell: Tell
) -> None:
    undisturbed, killed = (jobs.submit(client, name) for name in ("undisturbed", "killed"))
    running = jobs.under_way(client, killed)
    docker("kill", jobs.container_of(scaled, running))
    after = jobs.ended(client, killed)
    assert [each["outcome"] for each in after["attempts"]] == ["lost", "succeeded"]
    jobs.ended(client, undisturbed)
    assert jobs.weights(client, killed) == jobs.weights(client, undisturbed)
    tell(f"a worker killed in mid-training: the same weights, {jobs.weights(client, killed)[:12]}…")


def test_a_killed_replica_fails_no_prediction(scaled: Compose, model: str, tell: Tell) -> None:
    with load(scaled.url, model, ROWS) as under:
        docker("kill", scaled.containers("api")[0])
        under.more(500)
    tell(f"a replica killed: {under.answered.total()} predictions, none failed")


def test_without_the_broker_jobs_are_accepted_and_start_later(
    scaled: Compose, client: Client, model: str
) -> None:
    (broker,) = scaled.containers("redis")
    with load(scaled.url, model, ROWS) as under:
        before = [jobs.submit(client, "broker", SHORT) for _ in range(2)]
        docker("kill", broker)
        after = [jobs.submit(client, "broker", SHORT) for _ in range(2)]
        under.more()
        docker("start", broker)
        for job in before + after:
            jobs.ended(client, job)


def test_without_the_database_predictions_go_on_and_no_job_is_lost(
    scaled: Compose, client: Client, model: str
) -> None:
    (database,) = scaled.containers("postgres")
    undisturbed = jobs.submit(client, "undisturbed", SHORT)
    jobs.ended(client, undisturbed)
    with load(scaled.url, model, ROWS) as under:
        submitted = [jobs.submit(client, "database", SHORT) for _ in range(3)]
        docker("kill", database)
        with pytest.raises(TorchkilnError, match="database"):
            jobs.submit(client, "database", SHORT)
        under.more()
        docker("start", database)
        for job in submitted:
            jobs.ended(client, job)
            assert jobs.weights(client, job) == jobs.weights(client, undisturbed)


@pytest.mark.parametrize("service", ["redis", "postgres", "api", "worker-cpu", "proxy"])
def test_what_crashes_comes_back_by_itself(scaled: Compose, client: Client, service: str) -> None:
    """Killed from this machine, as by the kernel: Docker does not take that for a person's wish."""
    container = scaled.containers(service)[0]
    before = inspect(container)["State"]
    os.kill(before["Pid"], signal.SIGKILL)
    until(lambda: inspect(container)["State"]["Pid"] not in (0, before["Pid"]), "it is restarted")
    until(lambda: healthy(container), f"{service} is healthy again")
    jobs.ended(client, jobs.submit(client, "crashed", SHORT))
