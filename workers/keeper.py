"""Holding on to a piece of work: the lease is prolonged, and its owner's wishes are obeyed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Self, TypeVar

import structlog

from services.attempts import Beat
from services.errors import Unavailable
from services.job_state import JobStatus
from services.settings import Settings
from workers.lease import Lease, LeaseLost
from workers.messages import Control
from workers.process import TrainerProcess

SAFE_SHARE = 2 / 3
"""Of a lease: without a beat for so long the trainer is killed, so that it is surely dead before
anybody else can have the work."""
LOOK_S = 1.0
RETRY_S = (0.1, 0.2, 0.5, 1.0)

LEASE, KILL = "lease", "kill"
"""Why a keeper kills a trainer."""
WISHES: dict[JobStatus, Control] = {JobStatus.CANCELLING: "cancel", JobStatus.PAUSING: "pause"}
"""What the trainer of a job in such a state is asked for."""

log: Any = structlog.get_logger(__name__)

T = TypeVar("T")


class Keeper:
    """A thread of its own for each piece of work, so that nothing that the run or its supervisor
    does can hold up the beat. The trainer's own listener ends the trainer when beats fail."""

    def __init__(
        self, lease: Lease, trainer: TrainerProcess, settings: Settings, claimed_at: float
    ) -> None:
        """`claimed_at`: the monotonic clock before the claim was made."""
        self._lease = lease
        self._trainer = trainer
        self._heartbeat_s = settings.heartbeat_s
        self._safe_s = settings.lease_s * SAFE_SHARE
        self._stopped = threading.Event()
        self._lost = False
        self._wish: Control | None = None
        self._beaten(claimed_at)
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._keep,), name="keeper", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def insist(self, write: Callable[[], T]) -> T:
        """Do a write, again and again while the database does not answer and the lease lasts.

        Raises `LeaseLost`.
        """
        attempt = 0
        while True:
            if not self._holds():
                raise LeaseLost
            try:
                return write()
            except Unavailable as error:
                log.warning("write_retried", reason=error.detail)
                self._stopped.wait(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                attempt += 1

    def _holds(self) -> bool:
        return not self._lost and time.monotonic() < self._safe_until

    def _beaten(self, at: float) -> None:
        self._next_beat = at + self._heartbeat_s
        self._safe_until = at + self._safe_s
        self._trainer.kill_at(self._safe_until, LEASE)

    def _keep(self) -> None:
        while not self._stopped.wait(min(LOOK_S, self._heartbeat_s)):
            now = time.monotonic()
            due = now >= self._next_beat
            try:
                beat = self._lease.beat() if due else self._lease.look()
            except Unavailable as error:
                log.warning("beat_failed", reason=error.detail)
                continue
            except Exception:
                log.exception("beat_failed")
                continue
            if beat is None:
                self._lost = True
                self._trainer.kill(LEASE)
                return
            if due:
                self._beaten(now)
            self._obey(beat)

    def _obey(self, beat: Beat) -> None:
        """An owner may take back a pause, or cancel instead."""
        if beat.kill:
            self._trainer.kill(KILL)
            return
        before, self._wish = self._wish, WISHES.get(beat.status)
        if self._wish == before:
            return
        if self._wish is not None:
            self._trainer.control(self._wish)
        if before is not None:
            self._trainer.withdraw(before)
