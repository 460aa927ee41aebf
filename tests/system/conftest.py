"""The embedded stack, as `torchkiln up` runs it, for all tests of this folder."""

from __future__ import annotations

import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.receivers import Receiver, receiver
from tests.torchkiln.upstack import Up, until
from torchkiln import Client

ROOT = Path(__file__).parents[2]

NOBODY = "http://127.0.0.1:9"
NO_INTERNET = {"http_proxy": NOBODY, "https_proxy": NOBODY, "no_proxy": "127.0.0.1,localhost"}
"""Whatever would be downloaded is refused at once, on any machine."""


WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(scope="session")
def hook() -> Generator[Receiver]:
    """Where the stack may send news of jobs."""
    with receiver() as made:
        yield made


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, hook: Receiver) -> Generator[Up]:
    data_dir = tmp_path_factory.mktemp("stack") / "data"
    webhooks = {
        "TORCHKILN_WEBHOOK_HOSTS": hook.host,
        "TORCHKILN_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }
    up = Up(ROOT, data_dir, **NO_INTERNET, **webhooks)
    try:
        up.ready()
        yield up
        assert up.stop() == 0
        until(lambda: not up.users())
    finally:
        if up.process.poll() is None:
            up.process.send_signal(signal.SIGKILL)
            up.process.wait()


@pytest.fixture(scope="session")
def url(stack: Up) -> str:
    return stack.ready()


@pytest.fixture
def client(url: str) -> Generator[Client]:
    with Client(url) as made:
        yield made
