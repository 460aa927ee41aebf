from __future__ import annotations

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from models import neighbours
from models.neighbours import nearest, precision, right_neighbours


def points(rows: int) -> torch.Tensor:
    return torch.randn(rows, 5, generator=torch.Generator().manual_seed(rows))


def test_they_are_scikit_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    queries, gallery = points(20), points(50)
    expected = NearestNeighbors(n_neighbors=4).fit(gallery).kneighbors(queries)[1]
    assert nearest(queries, gallery, 4).tolist() == expected.tolist()


def test_no_row_is_its_own_neighbour_among_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    gallery = points(50)
    expected = NearestNeighbors(n_neighbors=3).fit(gallery).kneighbors()[1]
    assert nearest(gallery, gallery, 3, same=True).tolist() == expected.tolist()


def test_precision_counts_the_labels_of_the_query() -> None:
    found = torch.tensor([[0, 1], [2, 3]])
    gallery, labels = torch.tensor([5, 6, 6, 6]), torch.tensor([5, 6])
    assert precision(found, gallery, labels) == 0.75
    assert precision(found[:, :1], gallery, labels) == 1.0


def test_rows_are_compared_at_length_one_without_themselves() -> None:
    """The third points where the first does, from afar; the last has nobody near of its class."""
    outputs = torch.tensor([[1.0, 0.1], [0.0, 1.0], [50.0, 0.0], [-0.1, 1.0]])
    assert right_neighbours(outputs, torch.tensor([0, 1, 0, 1])).item() == 4
    assert right_neighbours(outputs, torch.tensor([0, 1, 0, 2])).item() == 2


def test_one_row_has_no_neighbour() -> None:
    assert right_neighbours(torch.ones(1, 3), torch.tensor([0])).item() == 0
