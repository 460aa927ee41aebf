"""What a worker holds while it does a piece of work, as far as holding on to it goes."""

from __future__ import annotations

from typing import Protocol

from services.attempts import Attempts, Beat
from services.benchmark_runs import BenchmarkClaim, BenchmarkRuns
from services.claims import Claim
from services.job_state import JobStatus
from services.seats import SeatClaim, Seats


class LeaseLost(Exception):
    """The work is another worker's, or nobody's, by now: leave without another word."""


class Lease(Protocol):
    """A method that answers None has lost the lease."""

    def beat(self) -> Beat | None:
        """Prolong it."""
        ...

    def look(self) -> Beat | None:
        """Only see how things are."""
        ...


class JobLease:
    def __init__(self, attempts: Attempts, claim: Claim) -> None:
        self._attempts = attempts
        self._claim = claim

    def beat(self) -> Beat | None:
        return self._attempts.beat(self._claim)

    def look(self) -> Beat | None:
        return self._attempts.look(self._claim)


class SeatLease:
    """What the job's owner wishes is for the leader to see; here it goes on or is over."""

    def __init__(self, seats: Seats, seat: SeatClaim) -> None:
        self._seats = seats
        self._seat = seat

    def beat(self) -> Beat | None:
        return _going_on(self._seats.beat(self._seat))

    def look(self) -> Beat | None:
        return _going_on(self._seats.look(self._seat))


class BenchmarkLease:
    """A benchmark cannot be cancelled, so there is nothing to look for between beats."""

    def __init__(self, runs: BenchmarkRuns, claim: BenchmarkClaim) -> None:
        self._runs = runs
        self._claim = claim

    def beat(self) -> Beat | None:
        return self.look() if self._runs.beat(self._claim) else None

    def look(self) -> Beat | None:
        return Beat(JobStatus.RUNNING, kill=False)


def _going_on(held: bool) -> Beat | None:
    return Beat(JobStatus.RUNNING, kill=False) if held else None
