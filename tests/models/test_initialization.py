from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import nn

from models.initialization import INITIALIZATIONS, initialize
from models.params import InitializationName

REFERENCES: dict[str, Any] = {
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "kaiming_uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"),
    "kaiming_normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    "orthogonal": nn.init.orthogonal_,
}


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 8))


@pytest.mark.parametrize("name", REFERENCES)
def test_weights_are_torchs_in_the_order_of_layers_and_biases_zero(name: Any) -> None:
    module, expected = net(), net()
    torch.manual_seed(1)
    initialize(module, name)
    torch.manual_seed(1)
    for layer in (expected[0], expected[3]):
        REFERENCES[name](layer.weight)
        nn.init.zeros_(layer.bias)
    for (key, value), other in zip(
        module.state_dict().items(), expected.state_dict().values(), strict=True
    ):
        assert torch.equal(value, other), key


def test_default_leaves_everything_as_the_layers_made_it() -> None:
    module = net()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    initialize(module, "default")
    assert all(torch.equal(module.state_dict()[key], value) for key, value in before.items())


def test_every_name_has_an_initialization() -> None:
    assert set(INITIALIZATIONS) == set(get_args(InitializationName)) == {"default", *REFERENCES}
