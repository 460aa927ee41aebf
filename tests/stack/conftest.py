"""The compose file's service under `make test-stack`, one for all tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator

import pytest

from tests.stack.compose import IN_BUCKETS, MAIN, Compose, healthy, until
from torchkiln import Client

FIGURES = pytest.StashKey[list[str]]()
ROWS = [[0.5, 0.25], [-0.75, 1.0], [1.5, -0.5]]
SHARE = {"TORCHKILN_THREADS_PER_JOB": "1"}
"""For two workers on one machine, whatever it has: what is trained depends on this number."""
Tell = Callable[[str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    files = "keep the files of the stack in an object store, and not in a volume"
    parser.addoption("--buckets", action="store_true", help=files)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in terminalreporter.config.stash[FIGURES]:
        terminalreporter.write_line(f"measured: {line}")


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Tell:
    """Says a figure at the end of the run: a test asserts none, a reader wants them."""
    return pytestconfig.stash[FIGURES].append


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Generator[Compose]:
    """As `docker compose up` leaves it."""
    if "TORCHKILN_STACK" not in os.environ:
        pytest.skip("the images are made by `make test-stack`")
    files = IN_BUCKETS if request.config.getoption("--buckets", default=False) else {}
    yield from running(Compose(MAIN, SHARE | files), request.session)


def running(compose: Compose, session: pytest.Session, *services: str) -> Generator[Compose]:
    try:
        compose.up(*services)
        settled(compose)
        yield compose
    finally:
        if session.testsfailed:
            print(compose.logs())
        compose.down()


@pytest.fixture
def scaled(stack: Compose) -> Compose:
    """Two replicas of the API and two workers, also after what a test before has taken away."""
    stack.up(api=2, worker_cpu=2)
    settled(stack)
    return stack


def settled(compose: Compose) -> None:
    """Every container that has a health check is healthy, and every worker is ready for jobs."""
    for service in ("postgres", "redis", "api", "worker-cpu", "proxy"):
        for container in compose.containers(service):
            until(lambda each=container: healthy(each), f"{service} is healthy")
    with compose.client() as client:
        workers = {each[:12] for each in compose.containers("worker-cpu")}
        until(lambda: workers <= ready(client), "every worker has a queue")


def ready(client: Client) -> set[str]:
    """The hosts of workers that take jobs."""
    return {each["host"] for each in client.workers() if each["queues"]}


@pytest.fixture
def client(stack: Compose) -> Generator[Client]:
    with Client(stack.url) as made:
        yield made


@pytest.fixture(scope="session")
def model(stack: Compose) -> str:
    """A model with two versions that answer `ROWS` differently, the first of them its champion."""
    with Client(stack.url) as client:
        for seed in (1, 2):
            job = client.jobs.submit(
                "binary-classification", params={"epochs": 5}, model="moved", seed=seed
            )
            assert client.jobs.wait(job["id"])["status"] == "succeeded"
    return "moved"
