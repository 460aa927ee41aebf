"""Where an attempt goes on: at the latest of its job's checkpoints whose file is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.files import sha256
from services.claims import ResumePoint
from services.errors import NotFound
from services.events import NewEvent

Damage = tuple[ResumePoint, str]
"""A checkpoint that cannot be used, and what is wrong with it."""


@dataclass(frozen=True)
class Found:
    """`point` and `path` are None where there is nothing to go on from."""

    point: ResumePoint | None
    path: Path | None
    damaged: Sequence[Damage]


def find(points: Iterable[ResumePoint], fetch: Callable[[str], Path]) -> Found:
    """The first of `points` that is as it was saved. `fetch` brings the file of a key to this host,
    or raises `NotFound`."""
    damaged: list[Damage] = []
    for point in points:
        try:
            path = fetch(point.key)
            problem = _problem(path, point)
        except NotFound:
            problem = "its file is gone"
        except OSError as error:
            problem = f"its file cannot be read ({error.strerror})"
        else:
            if problem is None:
                return Found(point, path, damaged)
        damaged.append((point, problem))
    return Found(None, None, damaged)


def _problem(path: Path, point: ResumePoint) -> str | None:
    size = path.stat().st_size
    if size != point.size_bytes:
        return f"expected {point.size_bytes} bytes, got {size}"
    digest = sha256(path)
    if digest != point.sha256:
        return f"expected the sha256 {point.sha256[:12]}…, got {digest[:12]}…"
    return None


def warnings(found: Found) -> list[NewEvent]:
    """What a job's owner is told of each checkpoint that was passed over."""
    instead = "starting from the beginning"
    if found.point is not None:
        instead = f"going on from {_named(found.point)} instead"
    return [
        NewEvent(
            "log",
            f"{_named(point)} is damaged: {problem}; {instead}",
            "warning",
            {
                "code": "checkpoint_corrupt",
                "checkpoint": point.id,
                "instead": None if found.point is None else found.point.id,
            },
        )
        for point, problem in found.damaged
    ]


def unreadable(point: ResumePoint, message: str) -> NewEvent:
    """For a file that is as it was saved, and yet no trainer can go on from it."""
    return NewEvent(
        "log",
        f"{_named(point)} cannot be used: {message}; the next attempt passes it over",
        "warning",
        {"code": "checkpoint_corrupt", "checkpoint": point.id},
    )


def inexact(differences: Mapping[str, Any]) -> NewEvent:
    """For a run that may end with other numbers than one without an interruption."""
    return NewEvent(
        "log",
        "going on from the checkpoint may not be exact, as not everything is as it was then: "
        + ", ".join(differences),
        "warning",
        {"code": "inexact", "differences": dict(differences)},
    )


def _named(point: ResumePoint) -> str:
    return f"the checkpoint {point.id} (epoch {point.epoch}, step {point.step})"
