"""The curves of a job, from its events."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from torchkiln.types import Event

MOST_POINTS = 400
"""Of one curve in the browser; more are thinned."""
SPLIT = re.compile(r"(?:(?P<who>.+)_)?(?P<split>train|validation|test)_(?P<what>.+)")
ENDINGS = ("loss", "accuracy", "lr")


@dataclass
class Curve:
    """One metric of one attempt; `points` are (epoch, value)."""

    label: str
    attempt: int
    points: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])

    def thinned(self) -> list[tuple[float, float]]:
        """At most `MOST_POINTS` of them, the first and the last included."""
        if len(self.points) <= MOST_POINTS:
            return self.points
        stride = -(-len(self.points) // (MOST_POINTS - 1))
        return [*self.points[:-1:stride], self.points[-1]]


class Curves:
    """Charts by what they measure, each a list of curves; grows with the events."""

    def __init__(self) -> None:
        self.charts: dict[str, list[Curve]] = {}
        self.restarts: dict[int, float] = {}
        """The first epoch of each attempt behind the first."""
        self._attempt = 1
        self._by_metric: dict[tuple[str, int], Curve] = {}

    def add(self, event: Event) -> bool:
        """Take an event in. → whether the curves have grown."""
        data = event["data"]
        if event["type"] == "status" and "attempt" in data:
            self._attempt = int(data["attempt"])
        if event["type"] != "metrics":
            return False
        epoch = float(data.get("epoch", 0))
        if self._attempt > 1:
            self.restarts.setdefault(self._attempt, epoch)
        values: dict[str, Any] = data.get("values", {})
        for name, value in values.items():
            if isinstance(value, int | float):
                self._curve(name, epoch).points.append((epoch, float(value)))
        return bool(values)

    def latest(self, chart: str) -> str:
        """The last value of each curve, in words."""
        last = {curve.label: curve.points[-1] for curve in self.charts[chart]}
        epoch = max(point[0] for point in last.values())
        values = ", ".join(f"{label} {point[1]:.4g}" for label, point in last.items())
        return f"{chart} at epoch {epoch:g}: {values}"

    def _curve(self, metric: str, epoch: float) -> Curve:
        key = (metric, self._attempt)
        if key not in self._by_metric:
            chart, label = place(metric)
            self._by_metric[key] = Curve(label, self._attempt, self._before(metric, epoch))
            self.charts.setdefault(chart, []).append(self._by_metric[key])
        return self._by_metric[key]

    def _before(self, metric: str, epoch: float) -> list[tuple[float, float]]:
        """The point from which a later attempt goes on, so that its line has no gap before it."""
        earlier = self._by_metric.get((metric, self._attempt - 1))
        points = [] if earlier is None else earlier.points
        return [point for point in points if point[0] < epoch][-1:]


def place(metric: str) -> tuple[str, str]:
    """Which chart a metric belongs to, and what it is called there."""
    if found := SPLIT.fullmatch(metric):
        return found["what"], " ".join(filter(None, [found["who"], found["split"]]))
    for ending in ENDINGS:
        if metric == ending:
            return ending, ending
        if metric.endswith(f"_{ending}"):
            return ending, metric.removesuffix(f"_{ending}")
    return metric, metric


def order(chart: str) -> tuple[int, str]:
    """Losses first, the learning rate last."""
    return ({"loss": 0, "accuracy": 1, "lr": 3}.get(chart, 2), chart)
