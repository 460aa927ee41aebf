"""What was measured, as it goes into the JSON file, and what the rounds come to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

CLOSED, OPEN = "closed", "open"


class Case(NamedTuple):
    """What was under load. Rounds repeat it."""

    part: str
    model: str
    server: str
    wire: str
    workers: int
    loop: str
    connections: int


@dataclass(frozen=True)
class Sample:
    """One run of a load generator in one round."""

    case: Case
    round: int
    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    cpu_ms: float
    """Of all the server's processes, a request."""
    rate: float | None = None
    """Of an open loop: requests a second that were due."""
    late_share: float | None = None
    """Of an open loop: requests that the generator itself sent late."""


@dataclass(frozen=True)
class Start:
    """A server after its start, and its memory after its load."""

    part: str
    model: str
    server: str
    workers: int
    round: int
    start_s: float
    rss_mib: float
    pss_mib: float
    processes: int


@dataclass(frozen=True)
class Failure:
    server: str
    where: str
    reason: str


@dataclass
class Results:
    about: Mapping[str, Any]
    """Hardware, versions, date, commit, command."""
    samples: list[Sample] = field(default_factory=list[Sample])
    starts: list[Start] = field(default_factory=list[Start])
    failures: list[Failure] = field(default_factory=list[Failure])

    def save(self, file: Path) -> None:
        found = {
            "about": self.about,
            "samples": [{**one.case._asdict(), **_rest(one)} for one in self.samples],
            "starts": [asdict(one) for one in self.starts],
            "failures": [asdict(one) for one in self.failures],
        }
        file.write_text(json.dumps(found, indent=1) + "\n")

    def of(self, case: Case) -> list[Sample]:
        return [sample for sample in self.samples if sample.case == case]

    def median(self, case: Case, figure: str) -> float | None:
        """Over the rounds; None where there was none."""
        return middle(getattr(sample, figure) for sample in self.of(case))

    def ratio(self, case: Case, other: Case) -> float | None:
        """Of requests a second: the median of the quotients. None where no round has both."""
        return middle(self.quotients(case, other, "requests_per_s"))

    def quotients(self, case: Case, other: Case, figure: str) -> list[float]:
        """One of each round that has both, so that what slows the machine down for a while falls
        on both."""
        others: dict[int, float] = {one.round: getattr(one, figure) for one in self.of(other)}
        return [
            getattr(sample, figure) / others[sample.round]
            for sample in self.of(case)
            if sample.round in others
        ]


def middle(values: Iterable[float]) -> float | None:
    found = list(values)
    return median(found) if found else None


def _rest(sample: Sample) -> dict[str, Any]:
    return {name: value for name, value in asdict(sample).items() if name != "case"}
