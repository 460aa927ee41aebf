"""When a process that died is started again."""

from __future__ import annotations

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
STEADY_S = 60.0
"""A process that has lived so long begins again with the shortest pause."""


class Restarts:
    """One process's pauses: each twice as long as the one before, while it keeps dying young."""

    def __init__(self) -> None:
        self._next_pause = FIRST_BACKOFF_S
        self._due: float | None = None

    def plan(self, now: float, *, lived_s: float) -> float:
        """Note a death at `now`. → the pause until the next start, in seconds."""
        pause = FIRST_BACKOFF_S if lived_s >= STEADY_S else self._next_pause
        self._next_pause = min(pause * 2, LONGEST_BACKOFF_S)
        self._due = now + pause
        return pause

    @property
    def planned(self) -> bool:
        """Whether a death was noted since the last start."""
        return self._due is not None

    def due(self, now: float) -> bool:
        return self._due is not None and now >= self._due

    def begun(self) -> None:
        """Note a start."""
        self._due = None
