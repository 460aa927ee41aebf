"""Counts of requests by route, as plain integers: one event loop writes them, the hot path too."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.serving.stats import BUCKETS_S, spread


class RouteKey(NamedTuple):
    method: str
    route: str
    """The template (`/v1/jobs/{job_id}`), so that ids do not make a series each."""
    status: int


@dataclass(slots=True)
class RouteStats:
    count: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
        self.buckets[bisect_left(BUCKETS_S, seconds)] += 1

    def add_all(self, durations_ns: Sequence[int]) -> None:
        """At least one, in nanoseconds."""
        self.count += len(durations_ns)
        self.seconds += sum(durations_ns) / 1e9
        spread(self.buckets, durations_ns)


class HttpStats:
    def __init__(self) -> None:
        self.routes: dict[RouteKey, RouteStats] = {}

    def of(self, method: str, route: str, status: int) -> RouteStats:
        key = RouteKey(method, route, status)
        found = self.routes.get(key)
        if found is None:
            found = self.routes[key] = RouteStats()
        return found
