"""All that a training run has to remember to go on exactly where it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models import schedules
from models.determinism import random_state, restore_random_state
from models.errors import InvalidData
from models.optimizers import FlatOptimizer, Schedule
from models.params import EarlyStopping
from models.watch import RunningMean, Watch


class RunState:
    """Where a run is, and everything that the next step depends on besides data and params."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: FlatOptimizer,
        scheduler: Schedule | None,
        stopping: EarlyStopping,
        device: torch.device,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.watch = Watch(stopping.patience, stopping.min_delta)
        self.running = RunningMean()
        self.history: list[dict[str, float]] = []
        """The metrics of each finished epoch."""
        self.best_weights: dict[str, Tensor] | None = None
        """Of the best epoch, where early stopping may return to them."""
        self.epoch = 0
        """Epochs finished."""
        self.batch = 0
        """Batches of the running epoch finished."""
        self.step = 0
        """Optimizer steps taken."""
        self._device = device

    def state_dict(self) -> dict[str, Any]:
        return {
            "rules": self._rules(),
            "epoch": self.epoch,
            "batch": self.batch,
            "step": self.step,
            "model": self.model.state_dict(),
            "best_weights": self.best_weights,
            "optimizer": self.optimizer.torch.state_dict(),
            "scheduler": self.scheduler and self.scheduler.state_dict(),
            "watch": self.watch.state_dict(),
            "running": self.running.state_dict(),
            "history": self.history,
            "random": random_state(self._device),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises `InvalidData` where the state is of another model, optimizer or schedule."""
        if state["rules"] != self._rules():
            raise InvalidData(
                f"the checkpoint was made with {' and '.join(state['rules'])}, "
                f"the params say {' and '.join(self._rules())}"
            )
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise InvalidData("the checkpoint is of a model with other shapes") from error
        if self.scheduler is not None:
            schedules.load(self.scheduler, state["scheduler"])
        self.watch.load_state_dict(state["watch"])
        self.running.load_state_dict(state["running"], self._device)
        self.history = list(state["history"])
        self.best_weights = state["best_weights"]
        self.epoch, self.batch, self.step = state["epoch"], state["batch"], state["step"]
        restore_random_state(state["random"], self._device)

    def _rules(self) -> list[str]:
        schedule = "no schedule" if self.scheduler is None else type(self.scheduler).__name__
        return [type(self.optimizer.torch).__name__, schedule]

    def remember_best(self) -> None:
        self.best_weights = {name: value.clone() for name, value in self.model.state_dict().items()}
