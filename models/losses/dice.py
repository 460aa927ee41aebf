"""Dice loss of masks (Milletari et al., "V-Net", 2016; the tutorial's 10.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch's own documentation gives it


class DiceLoss(nn.Module):
    """Logits (n, …) against masks of zeros and ones of the same shape; the mean over the rows.

    1 - (2·Σpt + smooth) / (Σp + Σt + smooth), summed over each row by itself. The tutorial sums
    over the whole batch, where a large object hides a small one and the value of a row depends on
    its neighbours; and it takes probabilities, which a sigmoid has to make first.
    """

    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        self.smooth = smooth

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        probabilities = torch.sigmoid(logits).flatten(1)
        wanted = targets.flatten(1)
        shared = (probabilities * wanted).sum(dim=1)
        both = probabilities.sum(dim=1) + wanted.sum(dim=1)
        return (1 - (2 * shared + self.smooth) / (both + self.smooth)).mean()


class CrossEntropyDiceLoss(nn.Module):
    """Cross-entropy of the pixels plus Dice loss of the masks.

    The first has smooth gradients everywhere, the second does not mind how little of the picture
    an object covers (Isensee et al., "nnU-Net", 2021).
    """

    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        self.dice = DiceLoss(smooth)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, targets) + self.dice(logits, targets)
