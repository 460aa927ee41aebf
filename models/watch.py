"""What a run remembers of its losses: the mean of the running epoch, and the best epoch so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

FOLD = 1024
"""Batches whose losses are kept apart before they are added up: bounds the memory of an epoch."""


class RunningMean:
    """The mean per row of batch losses, kept on their device: nothing waits for a number."""

    def __init__(self) -> None:
        self._total: Tensor | None = None
        self._counted = 0
        self._losses: list[Tensor] = []
        self._sizes: list[int] = []

    def add(self, loss: Tensor, rows: int) -> None:
        """`loss`: the mean over a batch of `rows` rows, detached."""
        self._losses.append(loss)
        self._sizes.append(rows)
        if len(self._losses) == FOLD:
            self._fold()

    def _fold(self) -> None:
        losses = torch.stack(self._losses).double()
        part = (losses * losses.new_tensor(self._sizes)).sum()
        self._total = part if self._total is None else self._total + part
        self._counted += sum(self._sizes)
        self._losses, self._sizes = [], []

    def finish(self) -> Tensor:
        """The mean, a scalar tensor, NaN of nothing; begins anew."""
        if self._losses:
            self._fold()
        total, rows = self._total, self._counted
        self._total, self._counted = None, 0
        return torch.tensor(math.nan) if total is None else total / rows

    def state_dict(self) -> dict[str, Any]:
        """As it is, without adding anything up: sums in another order could differ in the end."""
        losses = torch.stack(self._losses) if self._losses else None
        return {
            "total": self._total,
            "counted": self._counted,
            "losses": losses,
            "sizes": list(self._sizes),
        }

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        losses: Tensor | None = state["losses"]
        total: Tensor | None = state["total"]
        self._total = None if total is None else total.to(device)
        self._counted = state["counted"]
        self._losses = [] if losses is None else list(losses.to(device).unbind())
        self._sizes = list(state["sizes"])


class Watch:
    """The lowest loss by epoch, and how long ago that was."""

    def __init__(self, patience: int, min_delta: float) -> None:
        self._patience = patience
        self._min_delta = min_delta
        self.best = math.inf
        self.best_epoch = 0
        self._epoch = 0

    def see(self, loss: float) -> bool:
        """Whether `loss`, of the next epoch, is lower than all before by more than `min_delta`."""
        self._epoch += 1
        if loss >= self.best - self._min_delta:
            return False
        self.best, self.best_epoch = loss, self._epoch
        return True

    @property
    def exhausted(self) -> bool:
        """Whether early stopping is on and has run out of patience."""
        return 0 < self._patience <= self._epoch - self.best_epoch

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "epoch": self._epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best = state["best"]
        self.best_epoch = state["best_epoch"]
        self._epoch = state["epoch"]
