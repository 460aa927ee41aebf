"""The states of a job and the moves between them (CONTRACT: Training jobs, States)."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    ERROR = "error"
    OOM = "oom"
    LOST = "lost"
    STALLED = "stalled"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    PAUSED = "paused"
    RELEASED = "released"
    """Handed back by a worker that was asked to stop; costs the job no attempt."""


S = JobStatus

TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    S.QUEUED: frozenset({S.RUNNING, S.CANCELLED, S.FAILED}),
    S.RUNNING: frozenset({S.SUCCEEDED, S.FAILED, S.PAUSING, S.CANCELLING, S.QUEUED}),
    S.PAUSING: frozenset({S.PAUSED, S.RUNNING, S.SUCCEEDED, S.FAILED, S.CANCELLING, S.QUEUED}),
    S.CANCELLING: frozenset({S.CANCELLED, S.SUCCEEDED, S.FAILED}),
    S.PAUSED: frozenset({S.QUEUED, S.CANCELLED}),
    S.FAILED: frozenset({S.QUEUED}),
    S.CANCELLED: frozenset({S.QUEUED}),
    S.SUCCEEDED: frozenset(),
}
"""From a state to those that may follow. FAILED and CANCELLED are terminal: `resume` alone
takes them back to QUEUED, as the next attempt of the same job."""

TERMINAL = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED})
RESUMABLE = frozenset({S.PAUSED, S.FAILED, S.CANCELLED})
"""States from which `resume` queues the next attempt."""
ACTIVE = frozenset({S.RUNNING, S.PAUSING, S.CANCELLING})
"""States in which an attempt holds the lease."""


def sources(target: JobStatus) -> frozenset[JobStatus]:
    """The states from which `target` may be reached: the guard of an UPDATE."""
    return frozenset(state for state, targets in TRANSITIONS.items() if target in targets)
