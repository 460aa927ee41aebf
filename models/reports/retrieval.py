"""What embeddings are good for: finding rows of the same class. Figures and plots."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import plots, reports
from models.artifacts import Artifacts
from models.data import Dataset
from models.neighbours import nearest, precision
from models.reports.projection import principal
from models.supervised import Fitted

CLOSEST = 10
"""Neighbours that are looked at."""
QUERIES, SHOWN = 5, 4
"""Test rows in a plot, and the neighbours of each."""
PIXELS = 1 << 20
"""In a plot's numbers, at most: 7 MB as JSON. Uploaded images may be large, and fewer are shown."""
BLOCK = 1024


@dataclass(frozen=True)
class Retrieval:
    """The test rows as queries, the training rows as the gallery they are looked up in."""

    test: Tensor
    """Embeddings of the test rows (n, size)."""
    train: Tensor
    labels: Tensor
    """Of the test rows, class indices (n,)."""
    gallery_labels: Tensor
    neighbours: Tensor
    """The closest gallery rows of each query, int64 (n, `CLOSEST`), the closest first."""

    def figures(self) -> dict[str, float]:
        """Recall@1 and precision@10 against the training rows, and recall@1 of the test rows among
        themselves, each left out in turn: no row of either side was trained on then."""
        among = nearest(self.test, self.test, 1, same=True)
        return {
            "test_recall_at_1": precision(self.neighbours[:, :1], self.gallery_labels, self.labels),
            "test_precision_at_10": precision(self.neighbours, self.gallery_labels, self.labels),
            "test_leave_one_out_recall": precision(among, self.labels, self.labels),
        }


def retrieve(fitted: Fitted) -> Retrieval:
    dataset = fitted.dataset
    test, train = _embeddings(fitted, dataset.test), _embeddings(fitted, dataset.train)
    labels, known = _labels(dataset)
    return Retrieval(test, train, labels, known, nearest(test, train, min(CLOSEST, len(train))))


def pixel_recall(dataset: Dataset) -> float:
    """Recall@1 of the raw pixels, which an embedding of far fewer numbers should come near."""
    test, train = (
        torch.from_numpy(dataset.inputs[rows]).flatten(1) for rows in (dataset.test, dataset.train)
    )
    labels, known = _labels(dataset)
    return precision(nearest(test, train, 1), known, labels)


def _labels(dataset: Dataset) -> tuple[Tensor, Tensor]:
    test, train = (torch.from_numpy(dataset.targets[r]) for r in (dataset.test, dataset.train))
    return test, train


def _embeddings(fitted: Fitted, rows: NDArray[np.int64]) -> Tensor:
    """In blocks, because all of MNIST at once would fill the memory of a convolutional net."""
    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    return torch.from_numpy(np.concatenate([fitted.answers(block) for block in blocks]))


def draw(files: Artifacts, fitted: Fitted, found: Retrieval) -> None:
    reports.draw_curves(files, fitted, "loss", "leave_one_out_recall")
    _draw_map(files, fitted.dataset, found)
    _draw_neighbours(files, fitted.dataset, found)


def _draw_map(files: Artifacts, dataset: Dataset, found: Retrieval) -> None:
    classes = list(dataset.info.classes or ())
    points, shares = principal(found.test.numpy())
    names = (f"First component, {shares[0]:.0%}", f"Second component, {shares[1]:.0%}")
    title = "Test embeddings along their principal components"
    labels = found.labels.numpy()
    figure = plots.embedding_map(points, labels, classes, names, title)
    numbers = {
        "points": points.round(6).tolist(),
        "labels": [classes[code] for code in labels],
        "variance_share": shares.tolist(),
    }
    files.plot("embedding-map", title, figure, numbers)


def _draw_neighbours(files: Artifacts, dataset: Dataset, found: Retrieval) -> None:
    """Test rows of different classes, each followed by its nearest training rows."""
    classes = list(dataset.info.classes or ())
    most = max(1, min(QUERIES, PIXELS // ((1 + SHOWN) * prod(dataset.info.shape))))
    firsts = np.sort(np.unique(found.labels.numpy(), return_index=True)[1])[:most]
    shown: list[tuple[NDArray[np.float32], str]] = []
    numbers: list[dict[str, Any]] = []
    for query in firsts.tolist():
        others = found.neighbours[query, :SHOWN]
        apart = (found.train[others] - found.test[query]).norm(dim=1).tolist()
        labels = [classes[int(code)] for code in found.gallery_labels[others]]
        pixels = dataset.inputs[[dataset.test[query], *dataset.train[others.numpy()]]]
        label = classes[int(found.labels[query])]
        captions = [f"Query: {label}"]
        captions += [f"{name}, at {far:.2f}" for name, far in zip(labels, apart, strict=True)]
        shown += zip(pixels, captions, strict=True)
        entry = {"query": label, "neighbours": labels, "distances": apart}
        numbers.append(entry | {"pixels": pixels.round(4).tolist()})
    title = "Test images and their nearest training images"
    files.plot("neighbours", title, plots.images(shown, title), numbers)
