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

from models import exactness, schedules
from models.batches import Batch, Rows
from models.checkpoints import SavedCheckpoint, read_checkpoint
from models.determinism import deterministic, permutation
from models.errors import Diverged, Interrupted, InvalidData
from models.evaluation import Measure
from models.flat import FlatParameters
from models.optimizers import FlatOptimizer, build_scheduler
from models.parallel.data_parallel import Alone, DataParallel
from models.params import TrainingParams
from models.run import RunContext
from models.run_state import RunState
from models.saving import Saver

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
        self._saver = Saver(params, context)
        self._all_steps = params.epochs * -(-len(fit.train) // params.batch_size)
        self._steps = min(self._all_steps, context.max_steps or self._all_steps)
        self._told_at = -math.inf
        self._samples = 0
        """Rows since that was told."""

    def run(self) -> Trained:
        """Train to the end.

        Raises `Interrupted` after saving a checkpoint when the reporter says so, `Diverged` when
        a loss is no longer finite, `CheckpointCorrupt` or `InvalidData` when the checkpoint to
        resume from is damaged or of another model, `PeerLost` when another rank is gone.
        """
        try:
            with deterministic():
                self._parallel.begin(self._context.seed)
                if self._context.resume is not None:
                    self._continue_from(self._context.resume)
                while not self._over():
                    with self._report.span("epoch", epoch=self._state.epoch + 1):
                        self._train_epoch()
                        self._end_epoch()
                return self._finish()
        finally:
            self._flat.release()

    def _continue_from(self, path: Path) -> None:
        saved = read_checkpoint(path)
        if saved["shape"] != self._shape():
            made, ours = (
                "{} rows with batch_size {}".format(*s) for s in (saved["shape"], self._shape())
            )
            raise InvalidData(f"expected {made}, as the checkpoint was made with, got {ours}")
        state = self._state
        state.load_state_dict(self._parallel.own_random(saved))
        self._saver.begin_at(state.step)
        exactness.take_threads(saved.get("fingerprint"))
        differences = self._differences(saved)
        self._report.resumed(exact=not differences, differences=differences)
        self._report.log(
            f"continuing after epoch {state.epoch}, step {state.step}",
            epoch=state.epoch,
            step=state.step,
        )

    def _shape(self) -> list[int]:
        """What a position within an epoch refers to."""
        return [len(self._fit.train), self._params.batch_size]

    def _differences(self, saved: Mapping[str, Any]) -> dict[str, list[Any]]:
        """What the rest of the run depends on and was otherwise when the checkpoint was made."""
        found = exactness.differences(saved.get("fingerprint"), self._fingerprint())
        sizes = self._parallel.world_sizes(saved)
        found |= {"world_size": sizes} if sizes[0] != sizes[1] else {}
        scheduler = self._state.scheduler
        if scheduler is not None:
            ends = [schedules.end_of(one) for one in (saved["scheduler"], scheduler.state_dict())]
            found |= {"epochs": ends} if ends[0] != ends[1] else {}
        return found

    def _fingerprint(self) -> exactness.Fingerprint:
        data_sha256 = self._fit.about.get("dataset_sha256")
        return exactness.fingerprint(torch.device(self._context.device), data_sha256)

    def _over(self) -> bool:
        state = self._state
        ended = state.epoch >= self._params.epochs or state.watch.exhausted
        return ended or self._out_of_steps()

    def _out_of_steps(self) -> bool:
        limit = self._context.max_steps
        return limit is not None and self._state.step >= limit

    def _train_epoch(self) -> None:
        fit, state, grad, parallel = self._fit, self._state, self._flat.grad, self._parallel
        net, loss_of, optimizer = fit.net, fit.loss, state.optimizer
        fit.model.train()
        if state.history:
            schedules.catch_up(state.scheduler, state.epoch, state.history[-1][fit.watched])
        for inputs, targets in self._batches():
            self._between_steps()
            loss = loss_of(net(*inputs), targets)
            grad.zero_()
            loss.backward()
            loss, rows = parallel.average(loss.detach(), len(targets))
            optimizer.update()
            state.running.add(loss, rows)
            self._samples += rows
            state.batch += 1
            state.step += 1
            if self._out_of_steps():
                break

    def _batches(self) -> Iterator[Batch]:
        """What is left of the epoch."""
        fit, state = self._fit, self._state
        order = permutation(len(fit.train), self._context.seed, state.epoch)
        return self._parallel.batches(fit.train, order, self._params.batch_size, state.batch)

    def _between_steps(self) -> None:
        step, saver = self._state.step, self._saver
        reason, due = self._parallel.agree(self._report.interrupted(), saver.due_by_clock())
        if reason is not None:
            self._save()
            raise Interrupted(reason)
        now = time.monotonic()
        if now - self._told_at >= PROGRESS_EVERY_S:
            self._tell_progress(now)
        if (due or saver.due_by_step(step)) and saver.is_new(step):
            self._save()

    def _tell_progress(self, now: float) -> None:
        self._told_at = now
        self._report.progress(
            epoch=self._state.epoch,
            epochs=self._params.epochs,
            step=self._state.step,
            steps=self._steps,
            samples=self._samples,
        )
        self._samples = 0

    def _end_epoch(self) -> None:
        state = self._state
        metrics = self._measure()
        improved = state.watch.see(metrics[self._fit.watched])
        if improved and self._params.early_stopping.patience:
            state.remember_best()
        state.history.append(metrics)
        state.epoch, state.batch = state.epoch + 1, 0
        self._report.metrics(metrics, epoch=state.epoch, step=state.step)
        if self._parallel.told(self._saver.due_at_end_of(state.epoch, state.step)):
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

    def _save(self) -> SavedCheckpoint:
        return self._saver.save(self._state, self._content)

    def _content(self) -> dict[str, Any]:
        """What a checkpoint holds. Raises `Diverged` where it would not be worth to go on from."""
        if not bool(self._flat.parameter.isfinite().all()):
            raise self._diverged("a weight", math.nan)
        told = {
            "shape": self._shape(),
            "about": dict(self._fit.about),
            "fingerprint": self._fingerprint(),
        }
        return {**told, **self._parallel.gather_random(self._state.state_dict())}

    def _finish(self) -> Trained:
        state = self._state
        if self._context.leads and state.step == self._steps < self._all_steps:
            self._report.log(
                f"training ends at step {state.step}, in epoch {state.epoch} of "
                f"{self._params.epochs}, as 'stop.max_steps' says",
                epoch=state.epoch,
                step=state.step,
            )
        checkpoint = self._save()
        self._parallel.end()
        self._tell_progress(time.monotonic())
        kept = state.epoch
        if state.best_weights is not None:
            self._fit.model.load_state_dict(state.best_weights)
            kept = state.watch.best_epoch
        return Trained(
            state.history, state.watch.best_epoch, kept, state.step, checkpoint, self._saver.took_s
        )
