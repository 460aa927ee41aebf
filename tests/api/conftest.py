"""The application over SQLite, in this process or as the process that users run."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import infer
from api.app import create_app
from api.main import Server, uvicorn_config
from api.state import State
from services.container import Container
from services.db import migrate
from services.settings import Settings
from tests.services.conftest import RecordingQueue
from tests.support.published import add_version

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60
MODELS = ("image", "binary", "regression")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, max_body_bytes=1 << 20)


@pytest.fixture
def queue() -> RecordingQueue:
    return RecordingQueue()


@pytest.fixture
def container(settings: Settings, queue: RecordingQueue, template: Path) -> Iterator[Container]:
    shutil.copy(template, settings.data_dir)
    made = Container(settings, queue=queue)
    yield made
    made.close()


@dataclass(frozen=True)
class Api:
    """A client of the running application, and what the application works with."""

    client: httpx.Client
    state: State
    server: Server

    @property
    def container(self) -> Container:
        return self.state.container


@contextmanager
def served(
    container: Container, *, fast: bool = True, ready: str = "/v2/health/ready"
) -> Generator[Api]:
    """The application behind a real server in a thread of this process; `fast`: inference by the
    short way, where it can be; `ready` answers 200 once it is."""
    app, state = create_app(container)
    server = Server(uvicorn_config(app, state if fast else None), state)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            with httpx.Client(base_url=url, timeout=30) as client:
                _until(lambda: server.started and client.get(ready).is_success)
                yield Api(client, state, server)
        finally:
            state.closing.set()
            server.should_exit = True
            thread.join(30)


@pytest.fixture
def api(container: Container) -> Iterator[Api]:
    with served(container) as running:
        yield running


@pytest.fixture
def client(api: Api) -> httpx.Client:
    return api.client


@contextmanager
def registry(data_dir: Path, *kinds: str) -> Generator[Container]:
    """With a model of each kind, which has its name."""
    container = Container(
        Settings(data_dir=data_dir, max_body_bytes=1 << 20), queue=RecordingQueue()
    )
    migrate.upgrade(container.db)
    for kind in kinds:
        add_version(container, kind, name=kind)
    yield container
    container.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One application for a module of tests that leave nothing behind. Its model is `image`."""
    with (
        registry(tmp_path_factory.mktemp("shared"), "image", "regression") as container,
        served(container) as running,
    ):
        yield running


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "whole"])
def each_way(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """`shared` with the short way of inference, and without."""
    with (
        registry(tmp_path_factory.mktemp("each-way"), "image", "regression") as container,
        served(container, fast=request.param) as running,
    ):
        yield running


@dataclass(frozen=True)
class Both:
    fast: Api
    slow: Api


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Two servers over one registry, whose model is `binary`: with the short way, and without."""
    with (
        registry(tmp_path_factory.mktemp("both"), "binary") as container,
        served(container) as fast,
        served(container, fast=False) as slow,
    ):
        yield Both(fast, slow)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the inference requests that came to an application."""
    paths: list[str] = []
    answer = infer.InferFastPath._infer

    async def noted(self: Any, scope: Any, *args: Any) -> None:
        paths.append(scope["path"])
        await answer(self, scope, *args)

    monkeypatch.setattr(infer.InferFastPath, "_infer", noted)
    return paths


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(data_dir: Path, port: int, **more: str) -> dict[str, str]:
    """For `python -m api`; the broker's address is one where nobody listens."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("TORCHKILN_")},
        "TORCHKILN_DATA_DIR": str(data_dir),
        "TORCHKILN_PORT": str(port),
        "TORCHKILN_REDIS_URL": "redis://127.0.0.1:1/0",
        **more,
    }


@dataclass(frozen=True)
class Process:
    """`python -m api` over a container of the tests' own."""

    url: str
    address: str
    grpc: str
    container: Container
    popen: subprocess.Popen[bytes]


@contextmanager
def started(data_dir: Path, *kinds: str) -> Generator[Process]:
    """The process, with a model of each kind in its registry, which has its name."""
    port, grpc_port = free_port(), free_port()
    with registry(data_dir, *kinds) as container:
        popen = subprocess.Popen(
            [sys.executable, "-m", "api"],
            cwd=ROOT,
            env=environment(data_dir, port, TORCHKILN_GRPC_PORT=str(grpc_port)),
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/v2/health/ready", popen)
            yield Process(url, f"127.0.0.1:{port}", f"127.0.0.1:{grpc_port}", container, popen)
        finally:
            popen.terminate()
            popen.wait(30)


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One for the whole session, with models `image`, `binary` and `regression` in its registry."""
    with started(tmp_path_factory.mktemp("api-process"), *MODELS) as running:
        yield running


def wait_for(url: str, popen: subprocess.Popen[bytes]) -> None:
    """Until `url` answers 200; fails if the process ends first."""

    def answers() -> bool:
        assert popen.poll() is None, "the API process has ended"
        try:
            return httpx.get(url).is_success
        except httpx.TransportError:
            return False

    _until(answers)


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < deadline, "it did not become ready"
        time.sleep(0.01)
