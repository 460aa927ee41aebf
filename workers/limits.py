"""How long a run may take, and how long it may make no headway."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from services.claims import Claim
from workers.messages import Message
from workers.process import TrainerProcess

STALL, TIMEOUT = "stall", "timeout"
"""Why a trainer is killed that makes no headway, or does not stop when its time is over."""
SAVE_S = 30.0
"""How long a run whose time is over has to save a checkpoint."""
HEADWAY = frozenset(
    {"rendezvous", "metrics", "checkpoint", "artifact", "resumed", "trained", "published"}
)
"""Messages that a run has got somewhere; `progress` is another if it is about a new step. What a
run prints is none: a loop that hangs may go on talking."""


class StallWatch:
    """The deadline by which a run has to make some headway."""

    def __init__(self, trainer: TrainerProcess, timeout_s: float) -> None:
        self._trainer = trainer
        self._timeout_s = timeout_s
        self._at: tuple[int, int] | None = None

    def begin(self) -> None:
        self._trainer.kill_at(time.monotonic() + self._timeout_s, STALL)

    def see(self, message: Message) -> None:
        kind = message["type"]
        if kind == "progress":
            at = message["epoch"], message["step"]
            if at != self._at:
                self._at = at
                self.begin()
        elif kind in HEADWAY:
            self.begin()

    @contextmanager
    def aside(self) -> Generator[None]:
        """While its supervisor does something that may take long, nobody hears of its headway."""
        self._trainer.kill_at(math.inf, STALL)
        try:
            yield
        finally:
            self.begin()


@contextmanager
def time_limit(trainer: TrainerProcess, claim: Claim, claimed_at: float) -> Generator[None]:
    """Have the run save and stop when the job has been running for `stop.max_runtime_s`, and kill
    it when it does not. `claimed_at` is by the monotonic clock."""
    limit_s: float | None = claim.job.stop.get("max_runtime_s")
    if limit_s is None:
        yield
        return
    stop_at = claimed_at + limit_s - claim.ran_s
    trainer.kill_at(max(stop_at, time.monotonic()) + SAVE_S, TIMEOUT)
    wait_s = min(max(0.0, stop_at - time.monotonic()), threading.TIMEOUT_MAX)
    timer = threading.Timer(wait_s, trainer.control, [TIMEOUT])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
