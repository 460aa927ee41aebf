"""Versions that change under load, in two API processes on one database and a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from services.container import Container
from services.db import migrate
from services.settings import Settings
from tests.api.conftest import ROOT, environment, free_port, wait_for
from tests.support import valkey
from tests.support.factors import add_factor
from tests.support.keepalive import Answer, Connection, connected
from tests.torchkiln.upstack import until

REQUESTS, FLIPS = 10_000, 50
CLIENTS = 8
"""Connections to each process."""
SEEN_WITHIN_S = 1.0
"""The contract's own bound, from the answer to a PUT to a request that must see the new version."""
MEMORY_BYTES = 155e6
"""Of an API process that has answered requests by ONNX models and nothing else. 150 are the target:
after the load of the test before, one on a processor with AVX-512 is within it, one with AVX2 alone
had 151 to 152.5."""
FACTORS = {1: 3.0, 2: -0.5}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Fleet:
    ports: tuple[int, int]
    pids: tuple[int, int]
    container: Container
    broker: valkey.Valkey


@contextmanager
def api(data_dir: Path, port: int, broker: valkey.Valkey) -> Generator[subprocess.Popen[bytes]]:
    env = environment(data_dir, port, TORCHKILN_REDIS_URL=broker.url)
    popen = subprocess.Popen([sys.executable, "-m", "api"], cwd=ROOT, env=env)
    try:
        yield popen
    finally:
        popen.terminate()
        assert popen.wait(30) == 0


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two processes that serve `m`, whose two versions have different answers."""
    data_dir = tmp_path_factory.mktemp("fleet")
    with valkey.server(data_dir / "broker") as broker:
        container = Container(Settings(data_dir=data_dir, redis_url=broker.url))
        migrate.upgrade(container.db)
        for version, factor in FACTORS.items():
            assert add_factor(container, factor) == version
        one, other = free_port(), free_port()
        with api(data_dir, one, broker) as first, api(data_dir, other, broker) as second:
            for port, popen in ((one, first), (other, second)):
                wait_for(f"http://127.0.0.1:{port}/readyz", popen)
            yield Fleet((one, other), (first.pid, second.pid), container, broker)
        container.close()


@dataclass
class Load:
    """What the clients have sent, and been answered."""

    answered: int = 0
    by_version: dict[int, int] = field(default_factory=lambda: dict.fromkeys(FACTORS, 0))
    ending: bool = False


async def infer(connection: Connection, rows: np.ndarray) -> int:
    """Ask for `rows` times the factor. → the version that answered, whose answer it was."""
    head = {"name": "x", "datatype": "FP32", "shape": list(rows.shape)}
    if len(rows) % 2:
        answer = await connection.send(
            "POST",
            "/v2/models/m/infer",
            json.dumps({"inputs": [head | {"data": rows.tolist()}]}).encode(),
        )
        return _checked(answer, rows, None)
    head["parameters"] = {"binary_data_size": rows.nbytes}
    text = json.dumps({"inputs": [head], "parameters": {"binary_data_output": True}}).encode()
    sizes = {"Inference-Header-Content-Length": str(len(text))}
    answer = await connection.send("POST", "/v2/models/m/infer", text + rows.tobytes(), sizes)
    return _checked(answer, rows, int(answer.headers["inference-header-content-length"]))


def _checked(answer: Answer, rows: np.ndarray, head_length: int | None) -> int:
    assert answer.status == 200, answer.body
    head = json.loads(answer.body[:head_length])
    if head_length is None:
        found = np.array(head["outputs"][0]["data"], np.float32).reshape(rows.shape)
    else:
        found = np.frombuffer(answer.body[head_length:], np.float32).reshape(rows.shape)
    version = int(head["model_version"])
    assert np.array_equal(found, rows * np.float32(FACTORS[version])), (version, rows, found)
    return version


async def client(port: int, seed: int, load: Load) -> None:
    drawn = np.random.default_rng(seed)
    async with connected(port) as connection:
        while not load.ending:
            rows = drawn.normal(size=(int(drawn.integers(1, 5)), 2)).astype(np.float32)
            load.by_version[await infer(connection, rows)] += 1
            load.answered += 1


async def promote(connection: Connection, version: int) -> float:
    """Move the alias. → when the answer came."""
    body = json.dumps({"version": version}).encode()
    answer = await connection.send("PUT", "/v1/models/m/aliases/champion", body, JSON)
    assert answer.status == 200, answer.body
    return time.monotonic()


async def seen(connection: Connection, version: int, since: float) -> None:
    """Until requests see the version; those that are sent late enough must."""
    while True:
        sent = time.monotonic()
        if await infer(connection, np.ones((1, 2), np.float32)) == version:
            return
        assert sent - since < SEEN_WITHIN_S, f"version {version} is not seen yet"
        await asyncio.sleep(0.005)


def open_files(pid: int) -> int:
    """Without those of databases, of which SQLAlchemy's pool and SQLite itself keep some back."""
    opened: list[str] = []
    for number in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - iterdir of a shifting folder
        with contextlib.suppress(FileNotFoundError):
            opened.append(str(Path(f"/proc/{pid}/fd/{number}").readlink()))
    return sum(".db" not in name for name in opened)


def threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 - as above


def test_nobody_notices_that_versions_change(fleet: Fleet) -> None:
    """Every answer is right for the version that it names; none fails; and both processes follow
    within a second, whichever was told."""
    load = Load()

    async def flip() -> None:
        pauses = random.Random(2).sample(range(FLIPS), 3)
        async with connected(fleet.ports[0]) as one, connected(fleet.ports[1]) as other:
            for number in range(FLIPS):
                version = 2 - number % 2
                since = await promote((one, other)[number // 2 % 2], version)
                await asyncio.gather(seen(one, version, since), seen(other, version, since))
                while load.answered < REQUESTS * (number + 1) / FLIPS:
                    await asyncio.sleep(0.005)
                if number in pauses:  # long enough for the old one to leave the memory
                    await asyncio.sleep(1.5)
        load.ending = True

    async def test() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                for port in fleet.ports:
                    group.create_task(client(port, number, load))
            group.create_task(flip())

    before = [(threads(pid), open_files(pid)) for pid in fleet.pids]
    asyncio.run(test())
    assert load.answered >= REQUESTS
    assert min(load.by_version.values()) > REQUESTS / 10
    for pid, (thread_count, file_count) in zip(fleet.pids, before, strict=True):
        # The pools that ask the database grow to their size; connections are closed a bit later.
        until(lambda pid=pid, most=thread_count + 8: threads(pid) <= most)
        until(lambda pid=pid, most=file_count + 4: open_files(pid) <= most)


def test_a_process_that_serves_onnx_only_is_small(fleet: Fleet) -> None:
    for pid in fleet.pids:
        assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text()
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
        assert resident <= MEMORY_BYTES


def test_without_the_broker_the_database_is_enough(fleet: Fleet) -> None:
    async def test() -> None:
        async with connected(fleet.ports[0]) as one, connected(fleet.ports[1]) as other:
            fleet.broker.stop()
            try:
                for version in (2, 1):
                    since = await promote(one, version)
                    await asyncio.gather(seen(one, version, since), seen(other, version, since))
            finally:
                fleet.broker.start()

    asyncio.run(test())


def test_a_model_is_unloaded_and_loaded_in_every_process(fleet: Fleet) -> None:
    async def refused(connection: Connection) -> bool:
        body = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}'
        answer = await connection.send("POST", "/v2/models/m/infer", body)
        assert answer.status == 200 or b"unloaded" in answer.body
        return answer.status == 400

    async def states(connection: Connection) -> set[str]:
        answer = await connection.send("POST", "/v2/repository/index")
        return {entry["state"] for entry in json.loads(answer.body)}

    async def test() -> None:
        async with connected(fleet.ports[0]) as one, connected(fleet.ports[1]) as other:
            for verb, is_refused, state in (
                ("unload", True, "UNAVAILABLE"),
                ("load", False, "READY"),
            ):
                done = await one.send("POST", f"/v2/repository/models/m/{verb}")
                assert done.status == 200
                for connection in (one, other):
                    while await refused(connection) is not is_refused:
                        await asyncio.sleep(0.005)
                    while await states(connection) != {state}:
                        await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(test(), 60))
