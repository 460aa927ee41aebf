"""A slow model whose calls a test lets through one by one."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.serving.pace import Pace
from services.serving.runners import LoadedRunner
from services.serving.stats import Timing
from tests.support.models import FunctionRunner

SLOW = Pace(0.0, 0.1)
"""As the runner believes; in truth a call takes as long as its gate is shut."""

X = {"x": np.array([[1, 2]], np.float32)}


class Gated:
    """A slow model: counts its calls, and lets one after the other through when it is opened."""

    def __init__(self, pace: Pace = SLOW, queue_limit_s: float = 10.0) -> None:
        self.calls = 0
        self.gate = threading.Semaphore(0)
        self.threads: set[str] = set()
        self.rows: list[int] = []
        """Of each call."""
        self.inner = FunctionRunner(self._double, before=self._enter)
        self.loaded = LoadedRunner(self.inner, pace, 1, queue_limit_s)

    def _double(self, x: NDArray[Any]) -> NDArray[Any]:
        self.rows.append(len(x))
        return x * 2

    def _enter(self) -> None:
        self.calls += 1
        self.threads.add(threading.current_thread().name)
        assert self.gate.acquire(timeout=20)

    async def entered(self, calls: int) -> None:
        while self.calls < calls:
            await asyncio.sleep(0.001)

    def ask(self, **more: Any) -> asyncio.Task[Any]:
        return asyncio.create_task(self.loaded.run(X, 1, Timing(), **more))
