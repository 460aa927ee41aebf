"""A small classification to train, in a fraction of a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.batches import Rows
from models.metrics import right_classes
from models.params import TrainingParams
from models.training import Fit, Trained, Trainer
from tests.support.runs import Recorder, context

CLASSES, FEATURES, ROWS = 3, 6, 90


def rows(count: int = ROWS, seed: int = 0) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, FEATURES, generator=generator)
    return Rows(inputs, inputs[:, :CLASSES].argmax(dim=1))


def net(seed: int = 0, dropout: float = 0.25) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(FEATURES, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, CLASSES)
    )


def train(
    directory: Path,
    *,
    report: Recorder | None = None,
    model: nn.Module | None = None,
    **params: Any,
) -> tuple[Trained, nn.Module]:
    model = model or net()
    fit = Fit(
        model,
        model,
        nn.CrossEntropyLoss(),
        rows(),
        {"test": rows(40, seed=1)},
        {"accuracy": right_classes},
        "train_loss" if params.pop("watch_train", True) else "test_loss",
    )
    defaults: dict[str, Any] = {"epochs": 4, "batch_size": 16}
    trainer = Trainer(fit, TrainingParams(**defaults | params), context(directory, report=report))
    return trainer.run(), model
