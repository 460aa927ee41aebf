"""A service that answers by script and a client of it; a checkout to run `torchkiln up` in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torchkiln import fakeservice
from tests.torchkiln.fakeservice import FakeService
from tests.torchkiln.upstack import Start, Up, until
from torchkiln import Client

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]


@pytest.fixture
def service() -> Iterator[FakeService]:
    with fakeservice.running() as running:
        yield running


@pytest.fixture
def client(service: FakeService) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose rooms are the stand-ins."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(HERE / "standin", root, dirs_exist_ok=True)
    shutil.copytree(REPOSITORY / "torchkiln", root / "torchkiln")
    return root


@pytest.fixture
def start(checkout: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts `up`s; what of them still runs at the end is killed."""
    started: list[Up] = []

    def one(*options: str, data_dir: Path = tmp_path / "data", **env: str) -> Up:
        started.append(Up(checkout, data_dir, *options, **env))
        return started[-1]

    yield one
    for up in started:
        if up.process.poll() is None:
            up.process.kill()
            up.process.wait()
    for up in started:
        until(lambda up=up: not up.users())
