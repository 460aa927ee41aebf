"""`docker stop` of each service: what is in hand is finished, or handed back."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from tests.stack import jobs
from tests.stack.compose import Compose, address, docker, inspect, until
from tests.stack.conftest import ROWS, Tell
from tests.stack.load import load
from torchkiln import Client

pytestmark = pytest.mark.compose

GRACE_S = 40
"""The longest `stop_grace_period` of the compose file."""
SHORT = {"epochs": 2}


def stop(container: str) -> int:
    """→ what it ended with."""
    docker("stop", "-t", str(GRACE_S), container)
    return int(inspect(container)["State"]["ExitCode"])


def test_a_stopped_worker_hands_its_job_back(scaled: Compose, client: Client, tell: Tell) -> None:
    undisturbed, stopped = (jobs.submit(client, name) for name in ("undisturbed", "stopped"))
    running = jobs.under_way(client, stopped)
    assert stop(jobs.container_of(scaled, running)) == 0
    after = jobs.ended(client, stopped)
    assert [each["outcome"] for each in after["attempts"]] == ["released", "succeeded"]
    jobs.ended(client, undisturbed)
    assert jobs.weights(client, stopped) == jobs.weights(client, undisturbed)
    tell("a worker stopped in mid-training: released, the same weights")


def test_a_stopped_replica_fails_no_prediction(scaled: Compose, model: str, tell: Tell) -> None:
    with load(scaled.url, model, ROWS) as under:
        assert stop(scaled.containers("api")[0]) == 0
        under.more()
    tell(f"a replica stopped: {under.answered.total()} predictions, none failed")


@contextmanager
def half_sent(host: str, port: int, model: str) -> Generator[socket.socket]:
    """A prediction whose body is on its way: in flight for as long as a test wants."""
    body = json.dumps({"inputs": ROWS}).encode()
    head = f"POST /v1/models/{model}/predict HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
    half = len(body) // 2
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:half])
        yield connection
        connection.sendall(body[half:])
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 200"), answer[:300]


def refuses(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=5):
            return False
    except OSError:
        return True


@pytest.mark.parametrize(("service", "port"), [("proxy", 8080), ("api", 8000)])
def test_what_is_in_flight_is_answered(
    scaled: Compose, model: str, service: str, port: int
) -> None:
    container = scaled.containers(service)[0]
    host = address(container)
    with half_sent(host, port, model):
        command = ["docker", "stop", "-t", str(GRACE_S), container]
        stopping = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(lambda: refuses(host, port), f"{service} takes nothing new")
        assert stopping.poll() is None
    assert stopping.wait() == 0
    assert inspect(container)["State"]["ExitCode"] == 0


@pytest.mark.parametrize("service", ["redis", "postgres"])
def test_a_stopped_store_has_lost_nothing(
    scaled: Compose, client: Client, model: str, service: str
) -> None:
    (container,) = scaled.containers(service)
    with load(scaled.url, model, ROWS) as under:
        submitted = [jobs.submit(client, "stores", SHORT) for _ in range(3)]
        assert stop(container) == 0
        under.more()
        docker("start", container)
        for job in submitted:
            jobs.ended(client, job)
