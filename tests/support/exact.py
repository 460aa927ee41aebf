"""A small training with everything that has state, run in one piece or in several."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.batches import Rows
from models.checkpoints import read_checkpoint
from models.determinism import seed_everything
from models.errors import Interrupted
from models.metrics import right_classes
from models.params import TrainingParams
from models.training import Fit, Trainer
from tests.support.runs import Recorder, context

ROWS = 100


class Noise(nn.Module):
    """Draws from numpy's and Python's generators, as an augmentation might."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        return x + 0.01 * float(np.random.normal()) + 0.01 * random.gauss(0, 1)


def fit() -> Fit:
    """A net with everything that has state: dropout, batch norm's statistics, three generators."""
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(ROWS, 8, generator=generator)
    targets = inputs[:, :3].argmax(dim=1)
    net = nn.Sequential(
        Noise(), nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)
    )
    train, test = Rows(inputs[:80], targets[:80]), Rows(inputs[80:], targets[80:])
    loss, measures = nn.CrossEntropyLoss(), {"accuracy": right_classes}
    return Fit(net, net, loss, train, {"test": test}, measures, "test_loss")


def run(
    directory: Path,
    params: TrainingParams,
    interruptions: Sequence[int],
    *,
    make: Callable[[], Fit] = fit,
    max_steps: int | None = None,
) -> dict[str, Any]:
    """Train in as many pieces as there are interruptions, and one. → the last checkpoint."""
    resume: Path | None = None
    for number, interrupt_at in enumerate([*interruptions, None]):
        # What a fresh process would have: other weights, and generators somewhere else.
        seed_everything(0 if resume is None else 1000 + number)
        report = Recorder(interrupt_at=interrupt_at)
        place = context(directory / str(number), report=report, resume=resume, max_steps=max_steps)
        try:
            trained = Trainer(make(), params, place).run()
        except Interrupted:
            resume = report.checkpoints[-1].path
            continue
        return read_checkpoint(trained.checkpoint.path)
    raise AssertionError("unreachable")


def differences(one: Any, other: Any, place: str = "") -> list[str]:
    """Where two nested states differ in a single bit."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        same = one.dtype == other.dtype and torch.equal(one, other)
        return [] if same else [place]
    if isinstance(one, dict) and isinstance(other, dict):
        keys = {*one, *other}
        return [
            d for key in keys for d in differences(one.get(key), other.get(key), f"{place}/{key}")
        ]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [d for key, (a, b) in pairs for d in differences(a, b, f"{place}/{key}")]
    return [] if one == other else [place]
