"""A service that answers by script, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.torchkiln import fakeservice
from tests.torchkiln.fakeservice import FakeService
from torchkiln import Client


@pytest.fixture
def service() -> Iterator[FakeService]:
    with fakeservice.running() as running:
        yield running


@pytest.fixture
def client(service: FakeService) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client
