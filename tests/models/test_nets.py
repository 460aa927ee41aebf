from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

from models.nets import NETS, build_net
from models.nets.activations import ACTIVATIONS
from models.params import ActivationName


def test_the_tutorials_mnist_classifier() -> None:
    net = build_net(
        {"name": "mlp", "inputs": 784, "hidden": [128, 64], "outputs": 10, "dropout": 0.2}
    )
    kinds = [type(layer) for layer in net.layers]  # type: ignore[union-attr]
    hidden = [nn.Linear, nn.ReLU, nn.Dropout]
    assert kinds == [nn.Flatten, *hidden, *hidden, nn.Linear]
    assert net(torch.zeros(3, 1, 28, 28)).shape == (3, 10)
    assert sum(parameter.numel() for parameter in net.parameters()) == 109_386


def test_without_hidden_layers_an_mlp_is_linear() -> None:
    net = build_net({"name": "mlp", "inputs": 4, "outputs": 2})
    assert [tuple(value.shape) for value in net.parameters()] == [(2, 4), (2,)]


def test_linear() -> None:
    net = build_net({"name": "linear", "inputs": 4, "outputs": 2})
    assert net(torch.zeros(5, 4)).shape == (5, 2)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_works(name: str) -> None:
    net = build_net({"name": "mlp", "inputs": 4, "hidden": [3], "outputs": 2, "activation": name})
    assert net(torch.randn(5, 4)).isfinite().all()


def test_params_offer_every_activation() -> None:
    assert set(get_args(ActivationName)) == set(ACTIVATIONS)


def test_unknown_names_and_options_are_refused() -> None:
    with pytest.raises(ValueError, match=f"'net' is one of {', '.join(NETS)}, got 'cnn'"):
        build_net({"name": "cnn"})
    with pytest.raises(ValueError, match="got 'step'"):
        build_net({"name": "mlp", "inputs": 1, "outputs": 1, "hidden": [1], "activation": "step"})
    with pytest.raises(TypeError):
        build_net({"name": "linear", "inputs": 1, "outputs": 1, "depth": 3})
