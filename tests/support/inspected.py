"""Models to look into."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.inspection.subject import Subject
from models.rows import synthetic
from models.servable import Servable
from tests.support.models import signature

Rows = dict[str, NDArray[Any]]


def subject(
    net: nn.Module,
    shape: tuple[int, ...],
    *,
    post: nn.Module | None = None,
    classes: list[str] | None = None,
) -> Subject:
    servable = Servable(nn.Identity(), net, post or nn.Identity(), {}).eval()
    return Subject(servable, signature(shape, 1), classes)


def row_of(made: Subject, seed: int = 0) -> Rows:
    return synthetic(made.signature, 1, seed=seed)


def hooks_in(model: nn.Module) -> int:
    return sum(
        len(module._forward_hooks) + len(module._backward_hooks) for module in model.modules()
    )


def by_hand(classes: list[str] | None = None) -> Subject:
    """ReLU(W x + b) with W = [[1, 2], [3, -4]], b = [0.5, 0]."""
    linear = nn.Linear(2, 2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, -4.0]]))
        linear.bias.copy_(torch.tensor([0.5, 0.0]))
    return subject(nn.Sequential(linear, nn.ReLU()), (2,), classes=classes)


ONES: Rows = {"features": np.ones((1, 2), np.float32)}
"""W x + b = [3.5, -1], of which the ReLU leaves [3.5, 0]."""


def layer(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in answer["layers"] if one["name"] == name)
