"""Nearest neighbours among embeddings, and what they are worth."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that torch's own documentation gives it

BLOCK = 1024
"""Queries at once, to bound the table of distances."""


def nearest(queries: Tensor, gallery: Tensor, count: int, *, same: bool = False) -> Tensor:
    """(n, size) and (m, size) → the `count` closest gallery rows of each query, int64 (n, count),
    the closest first, by Euclidean distance.

    With `same` the queries are the gallery's own rows, and none is its own neighbour; then `count`
    is below m.
    """
    # |q - g|² less |q|², which is the same for every g.
    lengths = gallery.square().sum(dim=1)
    found: list[Tensor] = []
    for start in range(0, len(queries), BLOCK):
        apart = lengths - 2 * queries[start : start + BLOCK] @ gallery.T
        if same:
            apart.diagonal(offset=start).fill_(torch.inf)
        found.append(apart.topk(count, dim=1, largest=False).indices)
    return torch.cat(found)


def right_neighbours(outputs: Tensor, targets: Tensor) -> Tensor:
    """How many rows have one of their own class closest among the others, once all outputs are at
    length one: recall@1, each row left out in turn; a scalar."""
    if len(outputs) < 2:
        return torch.zeros((), device=outputs.device)
    points = F.normalize(outputs, dim=1)
    return (targets[nearest(points, points, 1, same=True)[:, 0]] == targets).sum()


def precision(neighbours: Tensor, gallery_labels: Tensor, labels: Tensor) -> float:
    """The share of `neighbours` (n, k) that have the label of their query: precision@k, which for
    k = 1 is recall@1 as well."""
    return float((gallery_labels[neighbours] == labels[:, None]).double().mean())
