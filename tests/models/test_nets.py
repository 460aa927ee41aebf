from __future__ import annotations

from typing import Any, get_args

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
    with pytest.raises(ValueError, match=f"'net' is one of {', '.join(NETS)}, got 'vgg'"):
        build_net({"name": "vgg"})
    with pytest.raises(ValueError, match="got 'step'"):
        build_net({"name": "mlp", "inputs": 1, "outputs": 1, "hidden": [1], "activation": "step"})
    with pytest.raises(TypeError):
        build_net({"name": "linear", "inputs": 1, "outputs": 1, "depth": 3})


def test_the_tutorials_convnet() -> None:
    net = build_net({"name": "cnn", "channels": 1, "height": 28, "width": 28, "outputs": 10})
    names = ["conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "flatten", "fc"]
    assert [name for name, _ in net.layers.named_children()] == names  # type: ignore[union-attr]
    shapes = [tuple(value.shape) for value in net.parameters()]
    assert shapes == [(16, 1, 3, 3), (16,), (32, 16, 3, 3), (32,), (10, 32 * 7 * 7), (10,)]


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (13, 5), (40, 30)])
@pytest.mark.parametrize("name", ["cnn", "residual"])
def test_images_of_any_size_and_both_channels_train_even_one_by_one(
    name: str, size: tuple[int, int]
) -> None:
    sides = {"height": size[0], "width": size[1]} if name == "cnn" else {}
    net = build_net({"name": name, "channels": 3, "outputs": 4, "filters": [4, 6, 8], **sides})
    answer = net.train()(torch.randn(1, 3, *size))
    assert answer.shape == (1, 4)
    answer.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_a_custom_mlp_is_an_mlp_of_leaky_relus() -> None:
    sizes = {"inputs": 6, "hidden": [5, 4], "outputs": 3}
    ours = build_net({"name": "custom_mlp", **sizes, "alpha": 0.01, "dropout": 0.2}).eval()
    theirs = build_net({"name": "mlp", **sizes, "activation": "leaky_relu", "dropout": 0.2}).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(7, 6)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-6)


ATTENTION = {"name": "attention", "inputs": 2, "outputs": 3, "width": 16, "dropout": 0.3}


def test_a_rows_answer_does_not_depend_on_its_padding_or_its_company() -> None:
    torch.manual_seed(0)
    net = build_net(ATTENTION).eval()
    lengths = torch.tensor([9, 1, 5, 7])
    batch = torch.randn(4, 9, 2)
    batch[torch.arange(9) >= lengths[:, None]] = torch.nan  # whatever is in the padding
    together = net(batch, lengths)
    assert together.isfinite().all()
    for row, length in enumerate(lengths.tolist()):
        alone = net(batch[row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=1e-6)
    changed = net(batch[:, :7], lengths.clamp(max=7))
    assert (changed[0] - together[0]).abs().max() > 1e-4  # its last two steps did count
    torch.testing.assert_close(changed[1:], together[1:], rtol=0, atol=1e-6)


def test_attention_sees_the_order_of_the_steps() -> None:
    torch.manual_seed(0)
    net = build_net(ATTENTION).eval()
    x, lengths = torch.randn(1, 6, 2), torch.tensor([6])
    assert (net(x, lengths) - net(x.flip(1), lengths)).abs().max() > 1e-3


def test_lengths_out_of_range_are_clamped_and_an_odd_width_is_refused() -> None:
    net = build_net(ATTENTION).eval()
    x = torch.randn(3, 6, 2)
    answer = net(x, torch.tensor([-2, 0, 10**12]))
    assert torch.equal(answer, net(x, torch.tensor([1, 1, 6])))
    with pytest.raises(ValueError, match="'width' is even"):
        build_net({**ATTENTION, "width": 15})


def test_attention_weights_are_those_of_each_block() -> None:
    torch.manual_seed(0)
    net: Any = build_net({**ATTENTION, "layers": 3}).eval()
    weights = net.weights(torch.randn(2, 5, 2), torch.tensor([5, 3]))
    assert weights.shape == (2, 3, 5, 5)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 3, 5))
    assert (weights[1, :, :, 3:] == 0).all()
