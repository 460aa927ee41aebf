"""What a job has been through: attempts, states, events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from dashboard import format as fmt
from dashboard.tables import fill, table
from dashboard.view import card, empty
from torchkiln.types import Attempt, Event, Job

LINES = 500
"""Of the event log; older ones are dropped."""
ATTEMPTS = {
    "number": "Attempt",
    "outcome": "Outcome",
    "exact": "Exact",
    "worker": "Worker",
    "began": "Began",
    "took": "Took",
}
TRANSITIONS = {"status": "State", "at": "Since"}


class History:
    def __init__(self) -> None:
        with ui.element().classes("grid-wide"):
            with card("Attempts"):
                self._attempts = table(
                    ATTEMPTS, label="Attempts", key="number", wide=("worker", "began")
                )
                self._empty = empty("No worker has taken it yet.")
            with card("States"):
                self._states = table(TRANSITIONS, label="States", status="status")

    def show(self, job: Job) -> None:
        fill(self._attempts, [_attempt(one) for one in job["attempts"]])
        self._attempts.visible = bool(job["attempts"])
        self._empty.visible = not job["attempts"]
        states = [
            {"id": number, "status": one["status"], "at": fmt.time(one["at"])}
            for number, one in enumerate(job["status_transitions"])
        ]
        fill(self._states, states)


def _attempt(attempt: Attempt) -> dict[str, Any]:
    exact = {True: "yes", False: "no", None: fmt.NONE}[attempt["exact"]]
    # The time that a running one has taken so far would change the table every second.
    ended = attempt["ended_at"] is not None
    return {
        "number": attempt["number"],
        "outcome": attempt["outcome"] or "runs",
        "exact": exact,
        "worker": attempt["worker"],
        "began": fmt.time(attempt["started_at"]),
        "took": fmt.between(attempt["started_at"], attempt["ended_at"]) if ended else fmt.NONE,
    }


class EventLog:
    def __init__(self) -> None:
        with card("Events"):
            self._log = ui.log(max_lines=LINES).classes("log")
            self._log.props('tabindex=0 role=log aria-label="Events"')

    def take(self, events: Sequence[Event]) -> None:
        for event in events[-LINES:]:
            line = f"{fmt.parse(event['created_at']):%H:%M:%S}  {event['type']:<10}  "
            self._log.push(line + event["message"], classes=f"log-{event['level']}")
