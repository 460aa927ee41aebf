"""What a trainer tells, gathered and written in batches: one transaction for many events."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from services.attempts import Report
from services.events import NewEvent
from workers.messages import Message

INTERVAL_S = 0.2
MAX_EVENTS = 200


class Journal:
    """`write` is given what is due, in order."""

    def __init__(self, write: Callable[[Report], None]) -> None:
        self._write = write
        self._events: list[NewEvent] = []
        self._progress: dict[str, Any] | None = None
        self._metrics: dict[str, float] = {}
        self._changed = False
        self._written_at = float("-inf")
        self._pace = Pace()

    def add(self, message: Message) -> None:
        """Take a `progress`, `metrics` or `log` message, and write if it is time."""
        kind = message["type"]
        if kind == "progress":
            self._progress = self._pace.progress(message)
        elif kind == "metrics":
            self._metrics |= message["values"]
            self._events.append(self._metrics_event(message))
        else:
            self._events.append(
                NewEvent("log", message["message"], message["level"], dict(message["data"]))
            )
        self._changed = True
        if self.patience() == 0 or len(self._events) >= MAX_EVENTS:
            self.flush()

    def patience(self) -> float | None:
        """Seconds until what there is has to be written; None: there is nothing."""
        if not self._changed:
            return None
        return max(0.0, self._written_at + INTERVAL_S - time.monotonic())

    def flush(self) -> None:
        if self._changed:
            self._write(Report(self._events, self._progress, self._metrics))
            self._events = []
            self._changed = False
            self._written_at = time.monotonic()

    def _metrics_event(self, message: Message) -> NewEvent:
        values = message["values"]
        told = ", ".join(
            f"{name} {value:.4g}" for name, value in values.items() if value is not None
        )
        progress = self._progress or {}
        data = {
            "epoch": message["epoch"],
            "epochs": progress.get("epochs"),
            "step": message["step"],
            "steps": progress.get("steps"),
            "values": values,
        }
        return NewEvent("metrics", f"epoch {message['epoch']}: {told}", data=data)


class Pace:
    """How far a run is and how long it may still take, by its speed in this attempt."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, int] | None = None

    def progress(self, message: Message) -> dict[str, Any]:
        """The job's `progress` in the contract's form."""
        step, steps = message["step"], message["steps"]
        now = self._clock()
        if self._first is None:
            self._first = (now, step)
        began, first = self._first
        done = step - first
        return {
            "epoch": message["epoch"],
            "epochs": message["epochs"],
            "step": step,
            "steps": steps,
            "percent": round(100 * step / steps, 1) if steps else 0.0,
            "eta_s": round((now - began) / done * (steps - step), 1) if done > 0 else None,
        }
