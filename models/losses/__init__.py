"""Losses by name, of raw outputs against targets, averaged over the rows of a batch.

What they are minimised by is what a pipeline then serves: the mean or median of a regression, the
log-odds of a class, of a pixel's too, places where like is near like. Focal loss alone bends the
odds; `models.losses.focal` says how.

A new one is a function here and a line in the table, under the params that choose it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from models import params as chosen
from models.losses.dice import CrossEntropyDiceLoss, DiceLoss
from models.losses.focal import BinaryFocalLoss, FocalLoss
from models.losses.triplet import InGroups, TripletLoss

__all__ = [
    "LOSSES",
    "BinaryFocalLoss",
    "CrossEntropyDiceLoss",
    "DiceLoss",
    "FocalLoss",
    "InGroups",
    "TripletLoss",
    "build_loss",
]


def _mse(_params: chosen.RegressionLoss) -> nn.Module:
    """(n, 1) values against (n, 1) values, as the others of a regression."""
    return nn.MSELoss()


def _mae(_params: chosen.RegressionLoss) -> nn.Module:
    return nn.L1Loss()


def _huber(params: chosen.RegressionLoss) -> nn.Module:
    return nn.HuberLoss(delta=params.delta)


def _smooth_l1(params: chosen.RegressionLoss) -> nn.Module:
    return nn.SmoothL1Loss(beta=params.delta)


def _bce(params: chosen.BinaryLoss) -> nn.Module:
    """(n, 1) logits against (n, 1) zeros and ones.

    The tutorial's sigmoid and `BCELoss` (section 6) in one: the same function, without the digits
    that a saturated sigmoid loses.
    """
    weight = None if params.positive_weight == 1.0 else torch.tensor([params.positive_weight])
    return nn.BCEWithLogitsLoss(pos_weight=weight)


def _binary_focal(params: chosen.BinaryLoss | chosen.SegmentationLoss) -> nn.Module:
    return BinaryFocalLoss(params.focal_alpha, params.focal_gamma)


def _cross_entropy(params: chosen.MulticlassLoss) -> nn.Module:
    """(n, classes) logits against (n,) class indices."""
    return nn.CrossEntropyLoss(label_smoothing=params.label_smoothing)


def _focal(params: chosen.MulticlassLoss) -> nn.Module:
    return FocalLoss(params.focal_gamma)


def _pixel_bce(_params: chosen.SegmentationLoss) -> nn.Module:
    """(n, 1, h, w) logits against masks of zeros and ones, as the others of a segmentation."""
    return nn.BCEWithLogitsLoss()


def _dice(params: chosen.SegmentationLoss) -> nn.Module:
    return DiceLoss(params.smooth)


def _bce_dice(params: chosen.SegmentationLoss) -> nn.Module:
    return CrossEntropyDiceLoss(params.smooth)


def _triplet(params: chosen.TripletLoss) -> nn.Module:
    """(n, numbers) against (n,) class indices. The net's output is brought to length one here, as
    the served model does it: like the softmax in the cross-entropy."""
    return TripletLoss(params.margin, params.mining, squared=params.squared, normalize=True)


LOSSES: Mapping[type[chosen.Loss], Mapping[str, Callable[[Any], nn.Module]]] = {
    chosen.RegressionLoss: {
        "mse": _mse,
        "mae": _mae,
        "huber": _huber,
        "smooth_l1": _smooth_l1,
    },
    chosen.BinaryLoss: {"bce": _bce, "focal": _binary_focal},
    chosen.MulticlassLoss: {"cross_entropy": _cross_entropy, "focal": _focal},
    chosen.SegmentationLoss: {
        "bce": _pixel_bce,
        "dice": _dice,
        "bce_dice": _bce_dice,
        "focal": _binary_focal,
    },
    chosen.TripletLoss: {"triplet": _triplet},
}


def build_loss(params: chosen.Loss, batch_size: int | None = None) -> nn.Module:
    """The loss that `params` names; a scalar, the mean over the rows.

    A pipeline may give a subclass with other defaults. A loss that compares rows with each other
    divides what is larger than `batch_size` into groups of that many.
    """
    kind = next(kind for kind in type(params).__mro__ if kind in LOSSES)
    loss = LOSSES[kind][params.name](params)
    return InGroups(loss, batch_size) if batch_size and isinstance(loss, TripletLoss) else loss
