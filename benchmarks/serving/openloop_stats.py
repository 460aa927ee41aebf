"""What an open loop means: when each request is due, and how long its user waited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.serving.load import Load, of_latencies

LATE_S = 1e-3
"""A generator that sends a request this much later than it could, because it was busy itself, has
become part of what is measured."""
LATE_SHARE = 0.01
"""More than this of the requests, and the run says nothing about the server's tail."""


@dataclass(frozen=True)
class OpenLoad(Load):
    """Latencies from the moment at which a request was due, not from that at which it was sent: one
    slow answer delays all requests behind it, and a user would have waited for each."""

    rate: float
    """Requests a second that were due."""
    late_share: float
    """Of the requests: sent late by the generator's own fault."""

    @property
    def valid(self) -> bool:
        return self.late_share <= LATE_SHARE


def due_s(index: int, rate: float) -> float:
    """Seconds after the start at which request `index` of a constant rate is due."""
    return index / rate


def is_late(due: float, free_since: float, sent: float) -> bool:
    """Whether the generator was at fault: the request was due and a connection was free."""
    return sent - max(due, free_since) > LATE_S


def summary(latencies_s: Sequence[float], late: int, *, rate: float, seconds: float) -> OpenLoad:
    """Of a run of `seconds`; `late` of its requests were held up by the generator."""
    load = of_latencies(latencies_s, seconds)
    return OpenLoad(**asdict(load), rate=rate, late_share=late / load.requests)
