from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from models.losses import InGroups, TripletLoss, build_loss
from models.params import MiningName
from models.params import TripletLoss as TripletParams

MININGS: tuple[MiningName, ...] = ("batch_hard", "batch_all")


def batch(rows: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Class 3 has one row, which is nobody's positive and no anchor."""
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(rows, 4, generator=generator, dtype=torch.float64)
    return embeddings, torch.tensor([3, *(row % 3 for row in range(1, rows))])


def by_loops(
    points: np.ndarray, labels: np.ndarray, mining: str, margin: float, power: int
) -> float:
    """The paper's equations 4 and 5, triplet by triplet."""
    count = range(len(points))

    def apart(one: int, other: int) -> float:
        return float(((points[one] - points[other]) ** 2).sum() ** (power / 2))

    triplets = [
        (a, p, n)
        for a, p, n in product(count, repeat=3)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]
    if mining == "batch_hard":
        anchors = sorted({a for a, _, _ in triplets})
        values = [
            max(apart(a, p) for b, p, _ in triplets if b == a)
            - min(apart(a, n) for b, _, n in triplets if b == a)
            for a in anchors
        ]
    else:
        values = [apart(a, p) - apart(a, n) for a, p, n in triplets]
    return float(np.mean([max(0.0, value + margin) for value in values]))


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("power", [1, 2])
def test_it_is_its_definition(mining: MiningName, power: int) -> None:
    embeddings, labels = batch()
    expected = by_loops(embeddings.numpy(), labels.numpy(), mining, 0.5, power)
    found = TripletLoss(0.5, mining, squared=power == 2)(embeddings, labels)
    assert found.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("mining", MININGS)
def test_of_one_possible_triplet_for_each_of_two_anchors_it_is_torchs(mining: MiningName) -> None:
    points, _ = batch(3)
    a, p, n = points[:, None]
    expected = [
        functional.triplet_margin_loss(one, other, n, margin=2.0, eps=0.0)
        for one, other in ((a, p), (p, a))
    ]
    found = TripletLoss(2.0, mining)(points, torch.tensor([0, 0, 1]))
    assert found.item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-9)


def test_of_squares_it_is_the_tutorials() -> None:
    points, _ = batch(3)
    a, p, n = points
    near = [((a - p) ** 2).sum() - ((one - n) ** 2).sum() for one in (a, p)]
    tutorials = torch.relu(torch.stack(near) + 1.0).mean()
    found = TripletLoss(1.0, squared=True)(points, torch.tensor([0, 0, 1]))
    assert found.item() == pytest.approx(tutorials.item(), rel=1e-9)


@pytest.mark.parametrize("mining", MININGS)
def test_gradients(mining: MiningName) -> None:
    embeddings, labels = batch()
    for loss in (TripletLoss(0.5, mining), TripletLoss(0.2, mining, normalize=True)):
        assert torch.autograd.gradcheck(
            lambda points, loss=loss: loss(points, labels), embeddings.requires_grad_()
        )


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [0]])
def test_a_batch_without_triplets_has_no_loss_and_no_gradient(
    mining: MiningName, labels: list[int]
) -> None:
    points = torch.randn(len(labels), 4).requires_grad_()
    loss = TripletLoss(1.0, mining)(points, torch.tensor(labels))
    loss.backward()
    assert loss.item() == 0
    assert points.grad is not None
    assert (points.grad == 0).all()


@pytest.mark.parametrize("mining", MININGS)
def test_rows_in_one_place_have_finite_gradients(mining: MiningName) -> None:
    points = torch.zeros(4, 3, requires_grad=True)
    loss = TripletLoss(0.5, mining, normalize=True)(points, torch.tensor([0, 0, 1, 1]))
    loss.backward()
    assert loss.item() == pytest.approx(0.5)
    assert points.grad is not None
    assert points.grad.isfinite().all()


def test_groups_are_no_larger_than_asked_and_each_has_rows_of_every_class() -> None:
    seen: list[list[int]] = []

    class Kept(nn.Module):
        def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            seen.append(targets.tolist())
            return outputs.mean()

    outputs = torch.arange(10.0)
    found = InGroups(Kept(), 4)(outputs, torch.tensor([0] * 5 + [1] * 5))
    assert [len(group) for group in seen] == [4, 3, 3]
    assert all(set(group) == {0, 1} for group in seen)
    assert found.item() == pytest.approx(outputs.mean().item())


def test_params_choose_it_with_embeddings_of_length_one() -> None:
    embeddings, labels = batch()
    params = TripletParams(margin=0.3, mining="batch_all", squared=True)
    expected = TripletLoss(0.3, "batch_all", squared=True, normalize=True)(embeddings, labels)
    assert build_loss(params)(embeddings, labels).item() == expected.item()
    assert build_loss(params)(embeddings * 7, labels).item() == pytest.approx(expected.item())
    grouped = build_loss(params, batch_size=6)
    parts = torch.stack([build_loss(params)(embeddings[i::2], labels[i::2]) for i in (0, 1)])
    assert grouped(embeddings, labels).item() == pytest.approx(parts.mean().item())
