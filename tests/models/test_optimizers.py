"""Our updates against torch's own, bit for bit."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import nn, optim

from models.flat import FlatParameters
from models.optimizers import OPTIMIZERS, SCHEDULERS, FlatOptimizer
from models.params import Optimizer, OptimizerName, SchedulerName

REFERENCES: dict[str, Any] = {
    "sgd": lambda given, decay: optim.SGD(given, 0.05, weight_decay=decay),
    "momentum": lambda given, decay: optim.SGD(given, 0.05, momentum=0.8, weight_decay=decay),
    "adagrad": lambda given, decay: optim.Adagrad(given, 0.05, weight_decay=decay),
    "rmsprop": lambda given, decay: optim.RMSprop(given, 0.05, weight_decay=decay),
    "adam": lambda given, decay: optim.Adam(given, 0.05, weight_decay=decay),
    "adamw": lambda given, decay: optim.AdamW(given, 0.05, weight_decay=decay),
}
"""As a reader of the tutorial would write them, over separate parameters."""


def net() -> nn.Sequential:
    """Parameters of awkward sizes: vector instructions leave a remainder in each."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(7, 33), nn.Tanh(), nn.Linear(33, 5), nn.Tanh(), nn.Linear(5, 1))


@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("name", get_args(OptimizerName))
def test_an_update_is_torchs_step_bit_for_bit(name: Any, decay: float) -> None:
    theirs, ours = net(), net()
    reference = REFERENCES[name](theirs.parameters(), decay)
    flat = FlatParameters(ours)
    params = Optimizer(name=name, lr=0.05, momentum=0.8, weight_decay=decay)
    optimizer = FlatOptimizer(flat.parameter, params)
    generator = torch.Generator().manual_seed(1)
    for _ in range(60):
        inputs = torch.randn(19, 7, generator=generator)
        reference.zero_grad()
        theirs(inputs).square().mean().backward()
        reference.step()
        flat.grad.zero_()
        ours(inputs).square().mean().backward()
        optimizer.update()
    for one, other in zip(theirs.parameters(), ours.parameters(), strict=True):
        assert torch.equal(one, other)


def test_every_name_has_an_optimizer_and_a_schedule() -> None:
    assert set(OPTIMIZERS) == set(get_args(OptimizerName)) == set(REFERENCES)
    assert set(SCHEDULERS) == set(get_args(SchedulerName))


def test_the_rate_is_the_one_that_a_schedule_has_set() -> None:
    flat = FlatParameters(net())
    optimizer = FlatOptimizer(flat.parameter, Optimizer(name="sgd", lr=0.5))
    flat.grad.fill_(1.0)
    optimizer.update()
    before = flat.parameter.detach().clone()
    optimizer.torch.param_groups[0]["lr"] = 0.25
    optimizer.update()
    assert optimizer.lr == 0.25
    assert torch.allclose(before - flat.parameter.detach(), torch.tensor(0.25))
