from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from models.losses import BinaryFocalLoss, FocalLoss, build_loss
from models.params import BinaryLoss, MulticlassLoss, SegmentationLoss


def binary() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(40, 1, generator=generator, dtype=torch.float64) * 4
    return logits, (torch.rand(40, 1, generator=generator) < 0.3).double()


def several() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(40, 5, generator=generator, dtype=torch.float64) * 3
    return logits, torch.randint(0, 5, (40,), generator=generator)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_binary_one_is_its_definition_and_torchvisions(gamma: float) -> None:
    logits, targets = binary()
    z, t = logits.numpy(), targets.numpy()
    of_truth = np.where(t == 1, 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z)))
    weight = np.where(t == 1, 0.7, 1 - 0.7)
    expected = (-weight * (1 - of_truth) ** gamma * np.log(of_truth)).mean()
    found = BinaryFocalLoss(0.7, gamma)(logits, targets)
    theirs = sigmoid_focal_loss(logits, targets, alpha=0.7, gamma=gamma, reduction="mean")
    assert found.item() == pytest.approx(expected, rel=1e-12)
    assert found.item() == pytest.approx(theirs.item(), rel=1e-12)


def test_without_focus_and_balance_it_is_half_the_cross_entropy() -> None:
    logits, targets = binary()
    expected = functional.binary_cross_entropy_with_logits(logits, targets) / 2
    assert BinaryFocalLoss(0.5, 0.0)(logits, targets).item() == pytest.approx(expected.item())


def test_on_rows_of_one_class_it_is_the_tutorials() -> None:
    """Which weighs both classes by alpha; the paper's zeros weigh 1 - alpha."""
    logits, _ = binary()
    for target, alpha in ((1.0, 0.25), (0.0, 0.75)):
        targets = torch.full_like(logits, target)
        cross_entropy = functional.binary_cross_entropy_with_logits(
            logits, targets, reduction="none"
        )
        tutorials = (alpha * (1 - torch.exp(-cross_entropy)) ** 2 * cross_entropy).mean()
        found = BinaryFocalLoss(0.25, 2.0)(logits, targets)
        assert found.item() == pytest.approx(tutorials.item(), rel=1e-9)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_multiclass_one_is_its_definition(gamma: float) -> None:
    logits, targets = several()
    odds = np.exp(logits.numpy())
    of_truth = (odds / odds.sum(axis=1, keepdims=True))[np.arange(40), targets.numpy()]
    expected = (-((1 - of_truth) ** gamma) * np.log(of_truth)).mean()
    assert FocalLoss(gamma)(logits, targets).item() == pytest.approx(expected, rel=1e-12)


def test_of_two_classes_it_is_the_binary_one() -> None:
    logits, targets = binary()
    pair = torch.cat([torch.zeros_like(logits), logits], dim=1)
    found = FocalLoss(2.0)(pair, targets[:, 0].long())
    assert found.item() == pytest.approx(2 * BinaryFocalLoss(0.5, 2.0)(logits, targets).item())


@pytest.mark.parametrize(
    ("loss", "rows"),
    [(BinaryFocalLoss(0.25, 0.5), binary), (FocalLoss(0.5), several), (FocalLoss(2.0), several)],
)
def test_gradients(
    loss: torch.nn.Module, rows: Callable[[], tuple[torch.Tensor, torch.Tensor]]
) -> None:
    logits, targets = rows()
    assert torch.autograd.gradcheck(lambda z: loss(z, targets), logits.requires_grad_())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_certain_rows_have_finite_gradients(gamma: float) -> None:
    """Where (1 - p)^gamma would be zero to a power below one."""
    logits = torch.tensor([[60.0], [-60.0]], requires_grad=True)
    BinaryFocalLoss(0.25, gamma)(logits, torch.ones(2, 1)).backward()
    pair = torch.tensor([[60.0, -60.0], [-60.0, 60.0]], requires_grad=True)
    FocalLoss(gamma)(pair, torch.zeros(2, dtype=torch.long)).backward()
    for given in (logits, pair):
        assert given.grad is not None
        assert given.grad.isfinite().all()
        assert given.grad[0].abs().max() < 1e-9 < given.grad[1].abs().max()


def test_params_choose_it() -> None:
    logits, targets = binary()
    for params in (
        BinaryLoss(name="focal", focal_alpha=0.6, focal_gamma=1.0),
        SegmentationLoss(name="focal", focal_alpha=0.6, focal_gamma=1.0),
    ):
        found = build_loss(params)(logits, targets)
        assert found.item() == BinaryFocalLoss(0.6, 1.0)(logits, targets).item()
    logits, targets = several()
    found = build_loss(MulticlassLoss(name="focal", focal_gamma=3.0))(logits, targets)
    assert found.item() == FocalLoss(3.0)(logits, targets).item()
