"""Against the definitions, and torch's own where the tutorial writes another form."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import nn

from models.losses import LOSSES, build_loss
from models.params import BinaryLoss, Loss, MulticlassLoss, RegressionLoss


def values() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(20, 1, generator=generator) * 3, torch.randn(20, 1, generator=generator)


REGRESSION: dict[str, Any] = {
    "mse": lambda error: error**2,
    "mae": abs,
    "huber": lambda e: np.where(abs(e) <= 0.5, e**2 / 2, 0.5 * (abs(e) - 0.25)),
    "smooth_l1": lambda e: np.where(abs(e) < 0.5, e**2 / (2 * 0.5), abs(e) - 0.25),
}


@pytest.mark.parametrize("name", REGRESSION)
def test_a_regression_loss_is_its_definition(name: Any) -> None:
    outputs, targets = values()
    expected = REGRESSION[name]((outputs - targets).double().numpy()).mean()
    found = build_loss(RegressionLoss(name=name, delta=0.5))(outputs, targets)
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_binary_cross_entropy_is_the_tutorials_sigmoid_and_bce() -> None:
    logits, targets = values()
    targets = (targets > 0).float()
    expected = nn.BCELoss()(torch.sigmoid(logits), targets)
    found = build_loss(BinaryLoss())(logits, targets)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_positive_class_can_weigh_more() -> None:
    logits, targets = values()
    targets = (targets > 0).float()
    each = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    expected = (each * torch.where(targets > 0, 4.0, 1.0)).mean()
    found = build_loss(BinaryLoss(positive_weight=4.0))(logits, targets)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_is_its_definition(smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20, 5, generator=generator)
    targets = torch.randint(0, 5, (20,), generator=generator)
    wanted = nn.functional.one_hot(targets, 5) * (1 - smoothing) + smoothing / 5
    expected = -(wanted * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
    found = build_loss(MulticlassLoss(label_smoothing=smoothing))(logits, targets)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_smooth_l1_has_the_gradient_of_its_definition() -> None:
    outputs, targets = (value.double() for value in values())
    loss = build_loss(RegressionLoss(name="smooth_l1", delta=0.5))
    assert torch.autograd.gradcheck(lambda y: loss(y, targets), outputs.requires_grad_())


def test_every_name_that_params_offer_has_a_loss() -> None:
    offered = {
        params: set(get_args(params.model_fields["name"].annotation)) for params in get_args(Loss)
    }
    assert offered == {params: set(builders) for params, builders in LOSSES.items()}


def test_params_with_other_defaults_are_of_the_same_kind() -> None:
    class Robust(RegressionLoss, frozen=True):
        delta: float = 0.5

    assert isinstance(build_loss(Robust(name="huber")), nn.HuberLoss)
