"""Triplet loss with triplets mined from the batch (Hermans et al., "In Defense of the Triplet Loss
for Person Re-Identification", 2017; the tutorial's 10.4 takes ready-made triplets)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch's own documentation gives it

from models.params import MiningName

CLOSEST = 1e-12
"""Squared distances are no smaller: the gradient of the square root at zero is infinite."""


class TripletLoss(nn.Module):
    """Embeddings (n, numbers) and class indices (n,) → the mean of max(0, d(a,p) - d(a,n) + margin)
    over triplets of an anchor a, another row p of its class, and a row n of another class.

    `batch_hard` takes one triplet for each anchor, its farthest p and nearest n; `batch_all` takes
    all of them. A batch without any has loss 0. Distances are Euclidean, or their squares (the
    tutorial's). With `normalize` embeddings are brought to length one first.
    """

    def __init__(
        self,
        margin: float = 1.0,
        mining: MiningName = "batch_hard",
        *,
        squared: bool = False,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        self.margin = margin
        self.mining = mining
        self.squared = squared
        self.normalize = normalize

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        points = F.normalize(embeddings, dim=1) if self.normalize else embeddings
        # By differences, not by a matrix product, which cancels digits just where rows are close.
        distances = (points[:, None] - points[None]).square().sum(dim=2)
        if not self.squared:
            distances = distances.clamp_min(CLOSEST).sqrt()
        same = labels[:, None] == labels[None]
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        mine = self._hardest if self.mining == "batch_hard" else self._all
        return mine(distances, same & ~itself, ~same)

    def _hardest(self, distances: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Of anchors that have both; the others' extremes are made up, and not counted."""
        farthest = distances.masked_fill(~positive, 0).amax(dim=1)
        nearest = distances.masked_fill(~negative, torch.inf).amin(dim=1)
        counted = positive.any(dim=1) & negative.any(dim=1)
        hinge = F.relu(farthest - nearest.masked_fill(~counted, 0) + self.margin)
        return _mean(hinge, counted)

    def _all(self, distances: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """(n, n, n) triplets by anchor, positive and negative."""
        hinge = F.relu(distances[:, :, None] - distances[:, None, :] + self.margin)
        return _mean(hinge, positive[:, :, None] & negative[:, None, :])


class InGroups(nn.Module):
    """A loss that compares the rows of a batch with each other, on groups of at most `size` rows.

    The more rows there are to mine from, the harder the hardest is. So that a loss of held-out
    rows, which are judged in large batches, means what a training step's does, both see groups of
    one size. Every k-th row makes a group: rows may come sorted by class.
    """

    def __init__(self, loss: nn.Module, size: int) -> None:
        super().__init__()
        self.loss = loss
        self.size = size

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        count = -(-len(targets) // self.size)
        if count <= 1:
            return self.loss(outputs, targets)
        values = [
            self.loss(outputs[first::count], targets[first::count]) * len(targets[first::count])
            for first in range(count)
        ]
        return torch.stack(values).sum() / len(targets)


def _mean(values: Tensor, counted: Tensor) -> Tensor:
    return values.masked_fill(~counted, 0).sum() / counted.sum().clamp_min(1)
