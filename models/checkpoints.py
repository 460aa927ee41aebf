"""Checkpoint files: written whole or not at all, and verified before anything in them is used."""

from __future__ import annotations

import hashlib
import io
import math
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.errors import CheckpointCorrupt
from models.files import sha256, write_atomically
from models.params import CheckpointUnit

FORMAT = 1
"""Of the dictionary in the file; `models.training` says what is in it."""

GRACE_S = 60.0
"""How long a superseded file stays, for the supervisor to take it. One that takes longer than its
lease (30 s) has lost the job anyway."""


@dataclass(frozen=True)
class SavedCheckpoint:
    """A checkpoint on disk, whole and synced."""

    path: Path
    epoch: int
    """Epochs finished."""
    step: int
    """Optimizer steps taken since the beginning of the job."""
    metrics: dict[str, float]
    """The last finished epoch's."""
    best: bool
    """Whether the watched loss has never been lower at an epoch's end."""
    size_bytes: int
    sha256: str
    took_s: float = 0.0
    """How long gathering and writing it took."""


class Cadence:
    """When a running training is due for a checkpoint.

    With `every`: after each so many epochs, or steps. With None: whenever one would cost less than
    `SHARE` of the time, judged by what the last one took, also within an epoch. Only which files
    there are depends on the clock then, never a number in them.
    """

    SHARE = 0.03
    PAUSE_S = 1.0
    """The least time between two: less lost work than this is not worth a write."""

    def __init__(self, every: int | None, now: float, unit: CheckpointUnit = "epochs") -> None:
        self._every = every
        self._unit = unit
        self._next = math.inf if every else now + self.PAUSE_S

    def due(self, now: float) -> bool:
        """By the clock, which differs between processes that train together."""
        return now >= self._next

    def due_after_steps(self, step: int) -> bool:
        """By the optimizer's steps, which are the same in all of them."""
        return self._counts("steps", step)

    def due_at_end_of(self, epoch: int, step: int, now: float) -> bool:
        """`epoch` counts from 1."""
        return self._counts("epochs", epoch) or self.due_after_steps(step) or self.due(now)

    def saved(self, began: float, now: float) -> None:
        if not self._every:
            self._next = now + max(self.PAUSE_S, (now - began) / self.SHARE)

    def _counts(self, unit: CheckpointUnit, done: int) -> bool:
        return self._every is not None and self._unit == unit and done % self._every == 0


class CheckpointFolder:
    """A run's checkpoints. Keeps the best and the last two; others go after `grace_s`."""

    def __init__(self, directory: Path, *, grace_s: float = GRACE_S) -> None:
        self._directory = directory
        self._grace_s = grace_s
        self._best: Path | None = None
        self._written: list[tuple[float, Path]] = []

    def save(
        self,
        state: Mapping[str, Any],
        *,
        epoch: int,
        step: int,
        metrics: Mapping[str, float],
        best: bool,
    ) -> SavedCheckpoint:
        """Write `state`: tensors, and numbers, strings, lists, dictionaries and tuples of them."""
        self._directory.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, **state}, buffer)
        data = buffer.getvalue()
        path = self._directory / _name(step)
        write_atomically(path, data)
        digest = hashlib.sha256(data).hexdigest()
        if best:
            self._best = path
        self._forget(path)
        return SavedCheckpoint(path, epoch, step, dict(metrics), best, len(data), digest)

    def _forget(self, newest: Path) -> None:
        now = time.monotonic()
        self._written.append((now, newest))
        superseded = [
            (at, path)
            for at, path in self._written[:-2]
            if path != self._best and now - at >= self._grace_s
        ]
        for entry in superseded:
            entry[1].unlink(missing_ok=True)
            self._written.remove(entry)


class UnwrittenCheckpoints:
    """Another process's folder: what is saved there, as far as this one has to know."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def save(
        self,
        _state: Mapping[str, Any],
        *,
        epoch: int,
        step: int,
        metrics: Mapping[str, float],
        best: bool,
    ) -> SavedCheckpoint:
        path = self._directory / _name(step)
        return SavedCheckpoint(path, epoch, step, dict(metrics), best, 0, "")


def _name(step: int) -> str:
    return f"step-{step:09d}.pt"


def read_checkpoint(path: Path, *, digest: str | None = None) -> dict[str, Any]:
    """The state that was saved, on the CPU. No code in the file is run.

    Verified against `digest` (SHA-256) where one is given, and always against the CRC-32 that the
    file holds of each of its parts, which torch itself does not check.
    Raises `CheckpointCorrupt` for a file that is damaged, cut short or not a checkpoint.
    """
    try:
        if digest is not None and sha256(path) != digest:
            raise CheckpointCorrupt(f"the checkpoint {path.name} does not have its SHA-256")
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise CheckpointCorrupt(f"the checkpoint {path.name} is damaged in {damaged}")
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointCorrupt:
        raise
    except Exception as error:  # zip, pickle and torch have a dozen ways to refuse damaged bytes
        raise CheckpointCorrupt(
            f"the checkpoint {path.name} cannot be read ({type(error).__name__})"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointCorrupt(f"{path.name} is not a checkpoint of format {FORMAT}")
    return state
