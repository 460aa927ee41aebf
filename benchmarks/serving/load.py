"""What a run of any load generator comes to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


class LoadFailed(Exception):
    """Why the figures of a run mean nothing."""


@dataclass(frozen=True)
class Load:
    """Times are in milliseconds."""

    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed (nearest rank), of sorted values."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def of_latencies(latencies_s: Sequence[float], seconds: float) -> Load:
    """Of all requests answered in `seconds`. Raises `LoadFailed` where there are none."""
    if not latencies_s:
        raise LoadFailed("expected answers, got none")
    ordered = sorted(latencies_s)
    p50, p99, p999 = (1e3 * percentile(ordered, share) for share in (0.5, 0.99, 0.999))
    return Load(len(ordered), len(ordered) / seconds, p50, p99, p999, 1e3 * ordered[-1])
