from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.losses import DiceLoss, build_loss
from models.params import SegmentationLoss

CERTAIN = 60.0


def masks() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 1, 4, 4, generator=generator, dtype=torch.float64)
    share = torch.tensor([0.1, 0.5, 0.9])[:, None, None, None]
    return logits, (torch.rand(3, 1, 4, 4, generator=generator) < share).double()


@pytest.mark.parametrize("smooth", [0.5, 1.0])
def test_it_is_its_definition_row_by_row(smooth: float) -> None:
    logits, targets = masks()
    p, t = (1 / (1 + np.exp(-logits.numpy()))).reshape(3, 16), targets.numpy().reshape(3, 16)
    dice = (2 * (p * t).sum(axis=1) + smooth) / (p.sum(axis=1) + t.sum(axis=1) + smooth)
    assert DiceLoss(smooth)(logits, targets).item() == pytest.approx(1 - dice.mean(), rel=1e-12)


def test_of_one_row_it_is_the_tutorials_of_probabilities() -> None:
    logits, targets = (value[:1] for value in masks())
    p, t = torch.sigmoid(logits).view(-1), targets.view(-1)
    tutorials = 1 - (2.0 * (p * t).sum() + 1.0) / (p.sum() + t.sum() + 1.0)
    assert DiceLoss()(logits, targets).item() == pytest.approx(tutorials.item(), rel=1e-12)


def test_a_perfect_answer_costs_nothing_and_its_opposite_everything() -> None:
    _, targets = masks()
    perfect = CERTAIN * (2 * targets - 1)
    assert DiceLoss()(perfect, targets).item() == pytest.approx(0, abs=1e-12)
    assert DiceLoss(1e-6)(-perfect, targets).item() == pytest.approx(1, abs=1e-6)


def test_nothing_where_nothing_is_is_right() -> None:
    nothing = torch.full((2, 1, 4, 4), -CERTAIN)
    assert DiceLoss()(nothing, torch.zeros(2, 1, 4, 4)).item() == pytest.approx(0, abs=1e-6)


def test_gradients() -> None:
    logits, targets = masks()
    assert torch.autograd.gradcheck(lambda z: DiceLoss()(z, targets), logits.requires_grad_())


def test_params_choose_it_alone_or_with_cross_entropy() -> None:
    logits, targets = masks()
    dice = DiceLoss(2.0)(logits, targets)
    pixels = functional.binary_cross_entropy_with_logits(logits, targets)
    for name, expected in (("dice", dice), ("bce", pixels), ("bce_dice", dice + pixels)):
        params = SegmentationLoss.model_validate({"name": name, "smooth": 2.0})
        assert build_loss(params)(logits, targets).item() == pytest.approx(expected.item())
