"""How well masks cover: figures of merit of a segmentation."""

from __future__ import annotations

import torch
from torch import Tensor


def dice(logits: Tensor, masks: Tensor) -> Tensor:
    """Dice coefficient of each row (n, …), 2·|A∩B| / (|A| + |B|), summed over the rows; a scalar.

    A pixel belongs to the answer where its logit is positive, to the mask where that is one. Two
    empty masks agree: 1.
    """
    both, sizes = _counts(logits, masks)
    return torch.where(sizes > 0, 2 * both / sizes.clamp_min(1), 1.0).sum()


def iou(logits: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of each row, |A∩B| / (|A| + |B| - |A∩B|), summed like `dice`."""
    both, sizes = _counts(logits, masks)
    return torch.where(sizes > 0, both / (sizes - both).clamp_min(1), 1.0).sum()


def _counts(logits: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """(n,) each: pixels in both, and the pixels of the one plus those of the other."""
    said, true = (logits > 0).flatten(1), (masks > 0.5).flatten(1)
    return (said & true).sum(dim=1), said.sum(dim=1) + true.sum(dim=1)
