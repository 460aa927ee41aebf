"""When a training saves checkpoints, and what that costs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from models.checkpoints import Cadence, CheckpointFolder, SavedCheckpoint, UnwrittenCheckpoints
from models.params import TrainingParams
from models.run import RunContext
from models.run_state import RunState


class Saver:
    """The checkpoints of one run of the loop."""

    def __init__(self, params: TrainingParams, context: RunContext) -> None:
        folder = CheckpointFolder if context.leads else UnwrittenCheckpoints
        self._folder = folder(context.workdir / "checkpoints")
        self._report = context.report
        self._cadence = Cadence(params.checkpoint_every, time.monotonic(), params.checkpoint_unit)
        self._last: SavedCheckpoint | None = None
        self._begun_at = 0
        self.took_s = 0.0
        """How long the writing of checkpoints took."""

    def begin_at(self, step: int) -> None:
        """There is a checkpoint of this step already, the one that the run goes on from."""
        self._begun_at = step

    def due_by_clock(self) -> bool:
        """Of this process: those that train together have to agree on it."""
        return self._cadence.due(time.monotonic())

    def due_by_step(self, step: int) -> bool:
        """The same in all of them."""
        return self._cadence.due_after_steps(step)

    def due_at_end_of(self, epoch: int, step: int) -> bool:
        return self._cadence.due_at_end_of(epoch, step, time.monotonic())

    def is_new(self, step: int) -> bool:
        """Whether the run has come further than it was."""
        return step > self._begun_at

    def save(self, state: RunState, content: Callable[[], Mapping[str, Any]]) -> SavedCheckpoint:
        """Write a checkpoint of this moment, unless the last one already is."""
        if self._last is not None and self._last.step == state.step:
            return self._last
        began = time.monotonic()
        with self._report.span("checkpoint", epoch=state.epoch, step=state.step):
            saved = self._folder.save(
                content(),
                epoch=state.epoch,
                step=state.step,
                metrics=state.history[-1] if state.history else {},
                best=state.batch == 0 and 0 < state.epoch == state.watch.best_epoch,
            )
        now = time.monotonic()
        self._last = replace(saved, took_s=now - began)
        self.took_s += now - began
        self._cadence.saved(began, now)
        self._report.checkpoint(self._last)
        return self._last
