"""Losses as functions of what they judge, each value computed by the module that trains with it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch's own documentation gives it

from models.losses import BinaryFocalLoss, DiceLoss, TripletLoss

Line = list[float]
PICTURE, OBJECT = 1024, 64
"""Pixels of the picture and of the object whose mask is judged: one in sixteen."""
SURE = 0.999
"""The probability that a sure answer gives to the pixels it takes for the object's."""


def probabilities(count: int) -> Line:
    """Between 0 and 1, without the ends, where the loss of the wrong class is infinite."""
    return ((torch.arange(count, dtype=torch.float64) + 0.5) / count).tolist()


def of_probability(
    given: Sequence[float], target: float, alpha: float, gammas: Sequence[float]
) -> dict[str, Line]:
    """Cross-entropy and focal loss of the class `target`, by the predicted probability of class 1.

    The focal loss is given the logit of the probability. The tutorial gives it the probability,
    which it takes for a logit: 0 to 1 there is a probability of 0.5 to 0.73.
    """
    logits = torch.tensor(given, dtype=torch.float64).logit()
    lines = {"cross-entropy": _each(nn.BCEWithLogitsLoss(), logits, target)}
    for gamma in gammas:
        name = f"focal, gamma {gamma:g}"
        lines[name] = _each(BinaryFocalLoss(alpha, gamma), logits, target)
    return lines


def of_error(errors: Sequence[float], beta: float) -> dict[str, Line]:
    """Losses of a regression by its error; smooth L1 and Huber turn at `beta`."""
    values = torch.tensor(errors, dtype=torch.float64)
    losses = {
        "squared": nn.MSELoss(),
        "absolute": nn.L1Loss(),
        "smooth L1": nn.SmoothL1Loss(beta=beta),
        "Huber": nn.HuberLoss(delta=beta),
    }
    return {name: _each(loss, values, 0.0) for name, loss in losses.items()}


def of_overlap(found: Sequence[int], smooth: float) -> dict[str, Line]:
    """Losses of a sure mask as large as an object of `OBJECT` pixels, by how many of these it
    covers; the rest of it lies beside the object."""
    return _of_masks([(OBJECT, OBJECT - pixels) for pixels in found], smooth)


def of_size(sizes: Sequence[int], smooth: float) -> dict[str, Line]:
    """Losses of a sure mask that covers half of an object, by how many pixels the object has."""
    return _of_masks([(size, size // 2) for size in sizes], smooth)


def of_distance(
    differences: Sequence[float], near: float, margins: Sequence[float]
) -> dict[str, Line]:
    """Triplet loss by how much farther the negative is than the positive, which is at `near`."""
    lines: dict[str, Line] = {}
    for margin in margins:
        loss = TripletLoss(margin)
        values = [loss(*_triplet(near, near + more)).item() for more in differences]
        lines[f"margin {margin:g}"] = values
    return lines


def _each(loss: nn.Module, values: Tensor, target: float) -> Line:
    """The loss of each value by itself: (n,) → n numbers."""
    wanted = torch.full((1, 1), target, dtype=values.dtype)
    return [float(loss(value.reshape(1, 1), wanted)) for value in values]


def _of_masks(masks: Sequence[tuple[int, int]], smooth: float) -> dict[str, Line]:
    """Each an object's size, and by how many pixels the answer is shifted against it."""
    places, logit = torch.arange(PICTURE)[None], math.log(SURE / (1 - SURE))
    dice, lines = DiceLoss(smooth), {"Dice": Line(), "cross-entropy": Line()}
    for size, shift in masks:
        target = (places < size).double()
        said = ((places >= shift) & (places < size + shift)).double() * 2 * logit - logit
        lines["Dice"].append(float(dice(said, target)))
        lines["cross-entropy"].append(float(F.binary_cross_entropy_with_logits(said, target)))
    return lines


def _triplet(near: float, far: float) -> tuple[Tensor, Tensor]:
    """Anchor and positive `near` each other, and a negative as `far` from one as from the other:
    each of the two is an anchor, and the loss of both is the same."""
    height = math.sqrt(max(0.0, far**2 - near**2 / 4))
    points = [[0.0, near / 2], [0.0, -near / 2], [height, 0.0]]
    return torch.tensor(points, dtype=torch.float64), torch.tensor([0, 0, 1])
