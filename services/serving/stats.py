"""What a version's backend has answered, in the figures of Triton's statistics extension.

Plain integers, because they are counted on the hot path; whoever exports them reads them.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Upper bounds of the histogram of a prediction's whole time in the service."""
BUCKETS_NS = tuple(round(bound * 1e9) for bound in BUCKETS_S)
STAGE_BUCKETS_S = (1e-5, 3e-5, 1e-4, 3e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""The same of a part of it: waiting for the model, or one run of the model."""
STAGE_BUCKETS_NS = tuple(round(bound * 1e9) for bound in STAGE_BUCKETS_S)

clock_ns = time.monotonic_ns
"""The one clock of all that is timed on the hot path, where a reading serves all who need it."""


class Timing:
    """The course of one prediction, in nanoseconds."""

    __slots__ = ("infer_ns", "input_ns", "queue_ns", "started")

    def __init__(self) -> None:
        self.started = clock_ns()
        self.input_ns = self.queue_ns = self.infer_ns = 0

    def parsed(self) -> None:
        """The request has been read and turned into arrays."""
        self.input_ns = clock_ns() - self.started


@dataclass(slots=True)
class PredictionStats:
    """Of one backend of one version, in this process."""

    failures: int = 0
    rows: int = 0
    executions: int = 0
    queue_ns: int = 0
    input_ns: int = 0
    infer_ns: int = 0
    success_ns: int = 0
    failure_ns: int = 0
    last_ns: int = 0
    """When the latest prediction was, by `clock_ns`; 0 for never."""
    batches: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    """By rows: how many batches were run, and the nanoseconds that they took."""
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    """Predictions by the whole time that they took."""
    queue_buckets: list[int] = field(default_factory=lambda: [0] * (len(STAGE_BUCKETS_S) + 1))
    """Predictions by how long they waited for the model."""
    compute_buckets: list[int] = field(default_factory=lambda: [0] * (len(STAGE_BUCKETS_S) + 1))
    """Batches by how long the model took."""

    @property
    def successes(self) -> int:
        return sum(self.buckets)

    @property
    def output_ns(self) -> int:
        return self.success_ns - self.queue_ns - self.input_ns - self.infer_ns

    @property
    def last_ms(self) -> int:
        """Milliseconds since 1970; 0 for never."""
        if not self.last_ns:
            return 0
        return (time.time_ns() - clock_ns() + self.last_ns) // 1_000_000

    def succeeded(self, timing: Timing, rows: int) -> None:
        self.last_ns = clock_ns()
        total = self.last_ns - timing.started
        self.rows += rows
        self.queue_ns += timing.queue_ns
        self.input_ns += timing.input_ns
        self.infer_ns += timing.infer_ns
        self.success_ns += total
        self.buckets[bisect_left(BUCKETS_NS, total)] += 1
        self.queue_buckets[bisect_left(STAGE_BUCKETS_NS, timing.queue_ns)] += 1

    def succeeded_together(
        self,
        totals: Sequence[int],
        rows: int,
        asked: Sequence[int],
        began: int,
        *,
        input_ns: int,
        infer_ns: int,
    ) -> None:
        """Predictions that were one batch: `totals` is how long each took as a whole; `asked` is
        since when each waited for the model, in order, and `began` until when they did; the others
        are sums over all of them."""
        self.last_ns = clock_ns()
        self.rows += rows
        self.queue_ns += len(asked) * began - sum(asked)
        self.input_ns += input_ns
        self.infer_ns += infer_ns
        self.success_ns += sum(totals)
        spread(self.buckets, totals)
        self._waited(asked, began)

    def _waited(self, asked: Sequence[int], began: int) -> None:
        """Count waits bucket by bucket and not one by one: they are in order, and in few."""
        buckets, left = self.queue_buckets, len(asked)
        shortest = bisect_left(STAGE_BUCKETS_NS, began - asked[-1])
        longest = bisect_left(STAGE_BUCKETS_NS, began - asked[0])
        for index in range(shortest, longest):
            longer = bisect_left(asked, began - STAGE_BUCKETS_NS[index])
            buckets[index] += left - longer
            left = longer
        buckets[longest] += left

    def ran(self, rows: int, infer_ns: int) -> None:
        """One batch, which may be of several predictions or a part of one."""
        self.executions += 1
        count, ns = self.batches.get(rows, (0, 0))
        self.batches[rows] = count + 1, ns + infer_ns
        self.compute_buckets[bisect_left(STAGE_BUCKETS_NS, infer_ns)] += 1

    def failed(self, timing: Timing) -> None:
        self.failures += 1
        self.failure_ns += clock_ns() - timing.started

    def add(self, other: PredictionStats) -> None:
        """Take in another backend's figures, for a version's sum."""
        for name in self.__slots__:
            if name.endswith("buckets"):
                both = zip(getattr(self, name), getattr(other, name), strict=True)
                setattr(self, name, [a + b for a, b in both])
            elif name == "batches":
                for rows, (count, ns) in other.batches.items():
                    had, spent = self.batches.get(rows, (0, 0))
                    self.batches[rows] = had + count, spent + ns
            elif name == "last_ns":
                self.last_ns = max(self.last_ns, other.last_ns)
            else:
                setattr(self, name, getattr(self, name) + getattr(other, name))

    def to_triton(self) -> dict[str, Any]:
        """The part of `…/stats` that is counted."""
        return {
            "last_inference": self.last_ms,
            "inference_count": self.rows,
            "execution_count": self.executions,
            "inference_stats": {
                "success": _duration(self.successes, self.success_ns),
                "fail": _duration(self.failures, self.failure_ns),
                "queue": _duration(self.successes, self.queue_ns),
                "compute_input": _duration(self.successes, self.input_ns),
                "compute_infer": _duration(self.successes, self.infer_ns),
                "compute_output": _duration(self.successes, self.output_ns),
                "cache_hit": _duration(0, 0),
                "cache_miss": _duration(0, 0),
            },
            "batch_stats": [
                {
                    "batch_size": rows,
                    "compute_input": _duration(0, 0),
                    "compute_infer": _duration(count, ns),
                    "compute_output": _duration(0, 0),
                }
                for rows, (count, ns) in sorted(self.batches.items())
            ],
        }


def spread(buckets: list[int], totals: Sequence[int]) -> None:
    """Count durations into their buckets: all at once where they are in the same, as those of one
    batch mostly are."""
    first, last = bisect_left(BUCKETS_NS, min(totals)), bisect_left(BUCKETS_NS, max(totals))
    if first == last:
        buckets[first] += len(totals)
        return
    for total in totals:
        buckets[bisect_left(BUCKETS_NS, total)] += 1


def _duration(count: int, ns: int) -> dict[str, int]:
    return {"count": count, "ns": ns}
