"""Focal loss (Lin et al., "Focal Loss for Dense Object Detection", 2017; the tutorial's 10.4).

Cross-entropy of the true class, weighted by (1 - p)^gamma of its probability p, so that the many
rows that are right already stop outweighing the few that are not. It is no proper score: the
probabilities that it leads to rank rows, and are less certain than frequencies would be.

The weight is taken as exp(gamma · log(1 - p)) from logits, whose gradient stays finite for every
gamma; that of (1 - p)^gamma does not, where p rounds to one and gamma is below one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch's own documentation gives it


class BinaryFocalLoss(nn.Module):
    """Logits against zeros and ones of the same shape; the mean over all elements.

    Ones weigh `alpha` and zeros 1 - `alpha`, as in the paper's equation 5 and torchvision's
    `sigmoid_focal_loss`. The tutorial weighs both by `alpha`, which only scales the loss.
    """

    def __init__(self, alpha: float = 0.25, gamma: float = 2.0) -> None:
        super().__init__()
        self.alpha = alpha
        self.gamma = gamma

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        cross_entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        wrong = F.logsigmoid(logits * (1 - 2 * targets))
        balance = self.alpha * targets + (1 - self.alpha) * (1 - targets)
        return (balance * torch.exp(self.gamma * wrong) * cross_entropy).mean()


class FocalLoss(nn.Module):
    """(n, classes) logits against (n,) class indices; the mean over the rows."""

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        cross_entropy = F.cross_entropy(logits, targets, reduction="none")
        classes = torch.arange(logits.shape[1], device=logits.device)
        others = logits.masked_fill(targets[:, None] == classes, -torch.inf)
        wrong = torch.logsumexp(others, dim=1) - torch.logsumexp(logits, dim=1)
        return (torch.exp(self.gamma * wrong) * cross_entropy).mean()
