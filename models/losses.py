"""Losses by name, of raw outputs against targets, averaged over the rows of a batch.

Only those whose optimum is what a pipeline then serves: the mean or median of a regression, the
log-odds of a class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from models.params import BinaryLoss, Loss, MulticlassLoss, RegressionLoss


def _mse(_params: RegressionLoss) -> nn.Module:
    """(n, 1) values against (n, 1) values, as the others of a regression."""
    return nn.MSELoss()


def _mae(_params: RegressionLoss) -> nn.Module:
    return nn.L1Loss()


def _huber(params: RegressionLoss) -> nn.Module:
    return nn.HuberLoss(delta=params.delta)


def _smooth_l1(params: RegressionLoss) -> nn.Module:
    return nn.SmoothL1Loss(beta=params.delta)


def _bce(params: BinaryLoss) -> nn.Module:
    """(n, 1) logits against (n, 1) zeros and ones.

    The tutorial's sigmoid and `BCELoss` (section 6) in one: the same function, without the digits
    that a saturated sigmoid loses.
    """
    weight = None if params.positive_weight == 1.0 else torch.tensor([params.positive_weight])
    return nn.BCEWithLogitsLoss(pos_weight=weight)


def _cross_entropy(params: MulticlassLoss) -> nn.Module:
    """(n, classes) logits against (n,) class indices."""
    return nn.CrossEntropyLoss(label_smoothing=params.label_smoothing)


LOSSES: dict[str, Callable[[Any], nn.Module]] = {
    "mse": _mse,
    "mae": _mae,
    "huber": _huber,
    "smooth_l1": _smooth_l1,
    "bce": _bce,
    "cross_entropy": _cross_entropy,
}


def build_loss(params: Loss) -> nn.Module:
    """The loss that `params` names; a scalar, the mean over the rows."""
    return LOSSES[params.name](params)
