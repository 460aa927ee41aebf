"""What a worker has in hand at this moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from workers.process import TrainerProcess

RELEASE = "release"
"""Why the trainer of a worker that has to leave is killed."""


class Runs:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[TrainerProcess, tuple[str, bool]] = {}
        self._leave_by: float | None = None

    @contextmanager
    def hold(self, subject: str, trainer: TrainerProcess, *, saves: bool) -> Generator[None]:
        """`trainer` works on `subject` during the block, and ends with it.

        `saves`: it can stop at a checkpoint, so that it is worth waiting for when the worker has
        to leave.
        """
        with self._lock:
            self._held[trainer] = (subject, saves)
            leave_by = self._leave_by
        if leave_by is not None:
            _release(trainer, leave_by, saves=saves)
        try:
            yield
        finally:
            trainer.kill("done")
            trainer.wait()
            with self._lock:
                del self._held[trainer]

    def subjects(self) -> Sequence[str]:
        with self._lock:
            return [subject for subject, _ in self._held.values()]

    def release(self, grace_s: float) -> None:
        """Ask every run, and those that still come, to save and stop; kill those that have not
        after `grace_s`."""
        with self._lock:
            self._leave_by = leave_by = time.monotonic() + grace_s
            held = [(trainer, saves) for trainer, (_, saves) in self._held.items()]
        for trainer, saves in held:
            _release(trainer, leave_by, saves=saves)

    def kill(self) -> None:
        with self._lock:
            held = [*self._held]
        for trainer in held:
            trainer.kill(RELEASE)


def _release(trainer: TrainerProcess, leave_by: float, *, saves: bool) -> None:
    if saves:
        trainer.control("release")
        trainer.kill_at(leave_by, RELEASE)
    else:
        trainer.kill(RELEASE)
