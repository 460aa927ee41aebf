"""A version that changes under load, in two replicas behind the proxy."""

from __future__ import annotations

import time

import pytest

from tests.stack.compose import Compose, address
from tests.stack.conftest import ROWS, Tell
from tests.stack.load import load
from torchkiln import Client

pytestmark = pytest.mark.compose

MOVES = 10
SEEN_WITHIN_S = 1.0
"""The contract's own bound, from the answer to a PUT to a request that must see the new version."""


def seen(replica: Client, model: str, version: int, since: float) -> None:
    while True:
        sent = time.monotonic()
        if replica.predict(model, ROWS)["version"] == version:
            return
        assert sent - since < SEEN_WITHIN_S, f"version {version} is not seen yet"
        time.sleep(0.01)


def test_an_alias_moves_under_load(scaled: Compose, client: Client, model: str, tell: Tell) -> None:
    """No request fails, and each answer is that of the version which it names."""
    one, other = (f"http://{address(each)}:8000" for each in scaled.containers("api"))
    took: list[float] = []
    with Client(one) as first, Client(other) as second, load(scaled.url, model, ROWS) as under:
        for move in range(MOVES):
            version = 2 - move % 2
            client.models.set_alias(model, "champion", version)
            moved = time.monotonic()
            for replica in (first, second):
                seen(replica, model, version, moved)
            took.append(time.monotonic() - moved)
            under.more(50)
    assert min(under.answered[version] for version in (1, 2)) > 0
    tell(f"an alias moved {MOVES} times: both replicas within {max(took) * 1e3:.0f} ms")
    tell(f"under the moves {under.answered.total()} predictions, none failed")
