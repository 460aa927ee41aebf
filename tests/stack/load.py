"""Clients that predict through the proxy until they are told to stop, each answer looked at."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import numpy as np

from tests.stack.compose import until
from torchkiln import Client

CLIENTS = 4
PAUSE_S = 0.01
MAX_REQUESTS = 20_000
"""Of all clients together, should a test never end."""


@dataclass
class Load:
    """What was answered, by version, and what went wrong."""

    url: str
    model: str
    rows: list[list[float]]
    expected: dict[int, Sequence[Sequence[float]]]
    answered: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def more(self, count: int = 200) -> None:
        """Wait for so many more answers."""
        aim = self.answered.total() + count
        until(lambda: self.answered.total() >= aim or self.failures, f"{count} more answers")

    def send(self) -> None:
        body = json.dumps({"inputs": self.rows})
        with httpx.Client(base_url=self.url, timeout=60, trust_env=False) as client:
            while not self.stopped.is_set() and self.answered.total() < MAX_REQUESTS:
                self._one(client, body)
                time.sleep(PAUSE_S)

    def _one(self, client: httpx.Client, body: str) -> None:
        try:
            answer = client.post(f"/v1/models/{self.model}/predict", content=body)
        except httpx.HTTPError as error:
            self.failures.append(repr(error))
            return
        if answer.status_code != 200:
            self.failures.append(f"{answer.status_code} {answer.text[:200]}")
            return
        found = answer.json()
        if not np.allclose(found["outputs"], self.expected[found["version"]], atol=1e-6):
            self.failures.append(f"not the answer of version {found['version']}: {answer.text}")
        self.answered[found["version"]] += 1


@contextmanager
def load(url: str, model: str, rows: list[list[float]]) -> Generator[Load]:
    """A load for the block; at its end nothing may have failed."""
    with Client(url) as client:
        versions = [each["version"] for each in client.models.versions(model)]
        answers = {v: client.predict(model, rows, version=v)["outputs"] for v in versions}
    made = Load(url, model, rows, answers)
    threads = [threading.Thread(target=made.send) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        made.more()
        yield made
        made.more()
    finally:
        made.stopped.set()
        for thread in threads:
            thread.join()
    assert made.failures == []
