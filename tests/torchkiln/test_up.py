"""`torchkiln up`, `keys` and `demo` with the whole service behind them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.torchkiln.upstack import DEADLINE_S, Up, alive, processes, until, users
from torchkiln import Client
from torchkiln.errors import NotAllowed

REPOSITORY = Path(__file__).parents[2]

pytestmark = [pytest.mark.stack, pytest.mark.slow]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A stack that is up, with two API processes."""
    up = Up(REPOSITORY, tmp_path_factory.mktemp("up") / "data", "--api-workers", "2")
    try:
        up.ready()
        yield up
    finally:
        up.process.kill()
        up.process.wait()
        until(lambda: not up.users(), up.users)


@pytest.fixture
def client(up: Up) -> Iterator[Client]:
    with Client(up.ready()) as client:
        yield client


def run(*arguments: str, data_dir: Path, timeout_s: float = DEADLINE_S) -> str:
    """`torchkiln …` in a process of its own. → what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "torchkiln", *arguments, "--data-dir", str(data_dir)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_part_runs_under_its_name(up: Up, client: Client) -> None:
    until(client.workers)
    expected = {"broker": 1, "api": 2, "worker": 1}

    def running() -> dict[str, int]:
        return {name: len(up.children(f"torchkiln: {name}")) for name in expected}

    until(lambda: running() == expected)  # ready is said when the first API process is
    assert httpx.get(f"{up.ready()}/docs").status_code == 200


def test_job_runs(client: Client) -> None:
    job = client.jobs.submit("diagnostics")
    events = list(client.jobs.events(job["id"]))
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["data"]["status"] == "succeeded"
    assert client.jobs.wait(job["id"])["status"] == "succeeded"


@pytest.mark.long
@pytest.mark.parametrize("name", ["torchkiln: broker", "torchkiln: api", "torchkiln: worker"])
def test_service_survives_the_death_of_a_part(up: Up, client: Client, name: str) -> None:
    before = up.children(name)
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(up.children(name)) == len(before) and up.children(name) != before)
    until(lambda: is_ready(up.ready()), lambda: up.errors)
    job = client.jobs.submit("diagnostics")
    assert client.jobs.wait(job["id"], timeout_s=DEADLINE_S)["status"] == "succeeded"


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.long
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_and_the_next_starts(tmp_path: Path, kind: signal.Signals) -> None:
    data_dir = tmp_path / "data"
    for _ in range(2):
        up = Up(REPOSITORY, data_dir)
        family: set[int] = set()
        try:
            with Client(up.ready()) as client:
                client.jobs.submit("image-classification", params={"epochs": 1000})
                until(lambda client=client: client.jobs.list(status="running"))
            family = up.descendants()
            assert family > set(up.children())  # the trainer is not a direct child
        finally:
            up.process.send_signal(kind)
            status = up.ended()
        assert status == (0 if kind is signal.SIGTERM else -kind)
        until(lambda family=family: not any(map(alive, family)), processes)
        until(lambda: not users(data_dir), lambda: users(data_dir))
        if kind is signal.SIGTERM:
            assert not list(data_dir.glob("*.lock"))


@pytest.mark.long
def test_public_address_needs_a_key(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    refused = Up(REPOSITORY, data_dir, "--host", "0.0.0.0")
    assert refused.ended() == 1
    assert "torchkiln keys create" in refused.errors

    secret = run("keys", "create", "laptop", "--scope", "read", data_dir=data_dir).strip()
    listed = run("keys", "list", data_dir=data_dir)
    assert "laptop" in listed
    up = Up(REPOSITORY, data_dir, "--host", "0.0.0.0")
    try:
        url = up.ready()
        with Client(url) as stranger, pytest.raises(NotAllowed):
            stranger.jobs.list()
        with Client(url, secret) as friend:
            assert friend.jobs.list() == []
            with pytest.raises(NotAllowed):
                friend.jobs.submit("diagnostics")
            run("keys", "revoke", listed.split()[0], data_dir=data_dir)
            until(lambda: is_refused(friend))
    finally:
        assert up.stop() == 0


def is_refused(client: Client) -> bool:
    try:
        client.jobs.list()
    except NotAllowed:
        return True
    return False


@pytest.mark.long
@pytest.mark.timeout(900)
def test_demo(tmp_path: Path) -> None:
    said = run("demo", data_dir=tmp_path / "demo", timeout_s=800)
    assert "epoch 1/" in said
    for words in ("certified", "rows/s", "differ by", "misclassified.png", "everything is stopped"):
        assert words in said
    assert users(tmp_path / "demo") == set()
