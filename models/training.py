"""The one training loop: seeded, resumable, interruptible, reporting through a callback.

Rows that fit in memory are tensors in the order of a permutation of (seed, epoch); nothing waits
for the device, except once an epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.batches import Batch, Rows
from models.checkpoints import (
    Cadence,
    CheckpointFolder,
    SavedCheckpoint,
    UnwrittenCheckpoints,
    read_checkpoint,
)
from models.determinism import deterministic, permutation
from models.errors import Diverged, Interrupted, InvalidData
from models.evaluation import Measure
from models.flat import FlatParameters
from models.optimizers import FlatOptimizer, build_scheduler
from models.parallel.data_parallel import Alone, DataParallel
from models.params import TrainingParams
from models.run import RunContext
from models.run_state import RunState

PROGRESS_EVERY_S = 0.1


@dataclass(frozen=True)
class Fit:
    """What is trained, on what."""

    model: nn.Module
    """What a checkpoint holds: the trainable parameters and all buffers."""
    net: nn.Module
    """The part of `model` that takes `Rows.inputs`."""
    loss: nn.Module
    """(outputs, targets) → the mean over the rows, a scalar."""
    train: Rows
    held_out: Mapping[str, Rows] = field(default_factory=dict[str, Rows])
    """By name (`test`, `validation`): evaluated every epoch, never trained on."""
    measures: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    """By name (`accuracy`): evaluated every epoch, on `train` and on `held_out`."""
    watched: str = "train_loss"
    """The metric that decides about the best epoch, early stopping and `plateau`."""
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Kept in every checkpoint for its readers: architecture, dataset digest, params."""


@dataclass(frozen=True)
class Trained:
    """How a training ended. The model has the weights of `kept_epoch`."""

    history: list[dict[str, float]]
    """The metrics of each epoch, in order."""
    best_epoch: int
    """Counted from 1: the lowest watched loss."""
    kept_epoch: int
    """The best one after early stopping, else the last."""
    steps: int
    checkpoint: SavedCheckpoint
    """The last one."""
    checkpoints_s: float
    """How long the writing of checkpoints took."""


class Trainer:
    """One run of the loop. Use once."""

    def __init__(self, fit: Fit, params: TrainingParams, context: RunContext) -> None:
        self._fit = fit
        self._params = params
        self._context = context
        self._report = context.report
        self._flat = FlatParameters(fit.model)
        optimizer = FlatOptimizer(self._flat.parameter, params.optimizer)
        self._state = RunState(
            fit.model,
            optimizer,
            build_scheduler(optimizer, params.scheduler, params.epochs),
            params.early_stopping,
            torch.device(context.device),
        )
        self._parallel = Alone()
        if context.ranks is not None:
            values, grad = self._flat.parameter.detach(), self._flat.grad
            self._parallel = DataParallel(context.ranks, fit.model, values, grad)
        folder = CheckpointFolder if context.leads else UnwrittenCheckpoints
        self._folder = folder(context.workdir / "checkpoints")
        self._cadence = Cadence(params.checkpoint_every, time.monotonic())
        self._saved: SavedCheckpoint | None = None
        self._saving_s = 0.0
        self._steps = params.epochs * -(-len(fit.train) // params.batch_size)
        self._told_at = -math.inf

    def run(self) -> Trained:
        """Train to the end.

        Raises `Interrupted` after saving a checkpoint when the reporter says so, `Diverged` when
        a loss is no longer finite, `CheckpointCorrupt` or `InvalidData` when the checkpoint to
        resume from is damaged or of another model, `PeerLost` when another rank is gone.
        """
        state = self._state
        try:
            with deterministic():
                self._parallel.begin(self._context.seed)
                if self._context.resume is not None:
                    self._continue_from(self._context.resume)
                while state.epoch < self._params.epochs and not state.watch.exhausted:
                    self._train_epoch()
                    self._end_epoch()
                return self._finish()
        finally:
            self._flat.release()

    def _continue_from(self, path: Path) -> None:
        saved = read_checkpoint(path)
        if saved["shape"] != self._shape():
            raise InvalidData("the checkpoint was made with another batch size or other rows")
        state = self._state
        state.load_state_dict(self._parallel.own_random(saved))
        self._report.log(
            f"continuing after epoch {state.epoch}, step {state.step}",
            epoch=state.epoch,
            step=state.step,
        )

    def _shape(self) -> list[int]:
        """What a position within an epoch refers to."""
        return [len(self._fit.train), self._params.batch_size]

    def _train_epoch(self) -> None:
        fit, state, grad, parallel = self._fit, self._state, self._flat.grad, self._parallel
        net, loss_of, optimizer = fit.net, fit.loss, state.optimizer
        fit.model.train()
        for inputs, targets in self._batches():
            self._between_steps()
            loss = loss_of(net(*inputs), targets)
            grad.zero_()
            loss.backward()
            loss, rows = parallel.average(loss.detach(), len(targets))
            optimizer.update()
            state.running.add(loss, rows)
            state.batch += 1
            state.step += 1

    def _batches(self) -> Iterator[Batch]:
        """What is left of the epoch."""
        fit, state = self._fit, self._state
        order = permutation(len(fit.train), self._context.seed, state.epoch)
        return self._parallel.batches(fit.train, order, self._params.batch_size, state.batch)

    def _between_steps(self) -> None:
        now = time.monotonic()
        reason, due = self._parallel.agree(self._report.interrupted(), self._cadence.due(now))
        if reason is not None:
            self._save()
            raise Interrupted(reason)
        if now - self._told_at >= PROGRESS_EVERY_S:
            self._tell_progress(now)
        if due:
            self._save()

    def _tell_progress(self, now: float) -> None:
        self._told_at = now
        self._report.progress(
            epoch=self._state.epoch,
            epochs=self._params.epochs,
            step=self._state.step,
            steps=self._steps,
        )

    def _end_epoch(self) -> None:
        state = self._state
        metrics = self._measure()
        improved = state.watch.see(metrics[self._fit.watched])
        if improved and self._params.early_stopping.patience:
            state.remember_best()
        self._step_schedule(metrics)
        state.history.append(metrics)
        state.epoch, state.batch = state.epoch + 1, 0
        self._report.metrics(metrics, epoch=state.epoch, step=state.step)
        if self._parallel.told(self._cadence.due_at_end_of(state.epoch, time.monotonic())):
            self._save()

    def _measure(self) -> dict[str, float]:
        """The epoch's figures; the only place where the loop waits for the device."""
        fit, evaluate = self._fit, self._parallel.evaluate
        fit.model.eval()
        self._parallel.take_buffers()
        found = {"train_loss": self._state.running.finish()}
        sets: list[tuple[str, Rows, nn.Module | None]] = [("train", fit.train, None)]
        sets += [(name, rows, fit.loss) for name, rows in fit.held_out.items()]
        for name, rows, loss in sets:
            if loss is not None or fit.measures:
                values = evaluate(fit.net, rows, loss, fit.measures)
                found |= {f"{name}_{figure}": value for figure, value in values.items()}
        numbers = torch.stack([value.double() for value in found.values()]).tolist()
        metrics = dict(zip(found, numbers, strict=True)) | {"lr": self._state.optimizer.lr}
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise self._diverged(name, value)
        return metrics

    def _diverged(self, name: str, value: float) -> Diverged:
        return Diverged(
            f"{name} became {value:g} in epoch {self._state.epoch + 1}; "
            "a smaller learning rate or another initialization may help"
        )

    def _step_schedule(self, metrics: Mapping[str, float]) -> None:
        """Set the rate of the next epoch; after the last one there is none."""
        scheduler = self._state.scheduler
        if scheduler is None or self._state.epoch + 1 == self._params.epochs:
            return
        if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step(metrics[self._fit.watched])
        else:
            scheduler.step()

    def _save(self) -> SavedCheckpoint:
        """Write a checkpoint of this moment, unless the last one already is."""
        state = self._state
        if self._saved is not None and self._saved.step == state.step:
            return self._saved
        began = time.monotonic()
        if not bool(self._flat.parameter.isfinite().all()):
            raise self._diverged("a weight", math.nan)
        told = {"shape": self._shape(), "about": dict(self._fit.about)}
        self._saved = self._folder.save(
            {**told, **self._parallel.gather_random(state.state_dict())},
            epoch=state.epoch,
            step=state.step,
            metrics=state.history[-1] if state.history else {},
            best=state.batch == 0 and 0 < state.epoch == state.watch.best_epoch,
        )
        now = time.monotonic()
        self._saving_s += now - began
        self._cadence.saved(began, now)
        self._report.checkpoint(self._saved)
        return self._saved

    def _finish(self) -> Trained:
        state = self._state
        checkpoint = self._save()
        self._parallel.end()
        self._tell_progress(time.monotonic())
        kept = state.epoch
        if state.best_weights is not None:
            self._fit.model.load_state_dict(state.best_weights)
            kept = state.watch.best_epoch
        return Trained(
            state.history, state.watch.best_epoch, kept, state.step, checkpoint, self._saving_s
        )
