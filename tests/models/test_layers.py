"""The hand-written layers against torch's own, forwards and backwards."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.initialization import initialize
from models.layers import BatchNorm2d, CustomLinear, CustomReLU, ResidualBlock, SelfAttention

ROWS, STEPS, SIZE = 3, 7, 8
LENGTHS = torch.tensor([7, 4, 1])


def gradients(outputs: Tensor, *of: Tensor) -> tuple[Tensor, ...]:
    """Of a sum with weights, so that no part of a wrong gradient cancels another."""
    weights = torch.linspace(-1, 2, outputs.numel()).view(outputs.shape)
    return torch.autograd.grad((outputs * weights).sum(), of)


def assert_close(ours: Any, theirs: Any) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 6), (2, 3, 6), (6,)])
def test_custom_linear_is_linear(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    ours = CustomLinear(6, 4, bias)
    torch.manual_seed(0)
    theirs = nn.Linear(6, 4, bias)
    assert all(
        torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True)
    )
    x = torch.randn(shape, requires_grad=True)
    answers = ours(x), theirs(x)
    assert_close(*answers)
    assert_close(
        gradients(answers[0], x, *ours.parameters()), gradients(answers[1], x, *theirs.parameters())
    )


def test_custom_linear_is_initialised_as_others_are() -> None:
    layer = CustomLinear(4, 4)
    initialize(layer, "orthogonal")
    assert_close(layer.weight @ layer.weight.t(), torch.eye(4))
    assert (layer.bias == 0).all()


@pytest.mark.parametrize(("alpha", "theirs"), [(0.0, functional.relu), (0.2, None)])
def test_custom_relu_is_relu_and_leaky_relu(alpha: float, theirs: Any) -> None:
    reference = theirs or partial(functional.leaky_relu, negative_slope=alpha)
    x = torch.tensor([-3.0, -1e-9, 0.0, 1e-9, 2.0], requires_grad=True)
    ours = CustomReLU(alpha)(x)
    assert_close(ours, reference(x))
    assert_close(gradients(ours, x), gradients(reference(x), x))


@pytest.mark.parametrize(
    ("channels", "stride", "size"), [(4, 1, (5, 6)), (6, 1, (5, 6)), (4, 2, (3, 3)), (6, 2, (3, 3))]
)
def test_a_residual_block_adds_its_input(channels: int, stride: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    block = ResidualBlock(4, channels, stride)
    x = torch.randn(2, 4, 5, 6)
    assert block(x).shape == (2, channels, *size)
    assert isinstance(block.shortcut, nn.Identity) == (channels == 4 and stride == 1)
    nn.init.zeros_(block.bn2.weight)  # then only the shortcut is left
    assert_close(block(x), functional.relu(block.shortcut(x)))


def test_a_residual_block_is_the_tutorials_sum() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(2, 3, stride=2).eval()
    x = torch.randn(2, 2, 6, 6)
    inner = functional.relu(
        block.bn1(functional.conv2d(x, block.conv1.weight, stride=2, padding=1))
    )
    outer = block.bn2(functional.conv2d(inner, block.conv2.weight, padding=1))
    assert_close(block(x), functional.relu(outer + block.shortcut(x)))


def test_batch_normalisation_is_torchs_and_takes_one_pixel_of_one_row_too() -> None:
    torch.manual_seed(0)
    ours, theirs = BatchNorm2d(3), nn.BatchNorm2d(3)
    x = torch.randn(4, 3, 5, 5)
    assert_close(ours(x), theirs(x))
    assert_close(ours.running_var, theirs.running_var)
    single = torch.randn(1, 3, 1, 1)
    assert_close(ours(single), theirs.eval()(single))


def reference(layer: SelfAttention, x: Tensor, mask: Tensor | None = None) -> Tensor:
    parts = layer.query(x), layer.key(x), layer.value(x)
    return layer.fc_out(functional.scaled_dot_product_attention(*parts, attn_mask=mask))


def test_self_attention_is_torchs_scaled_dot_product() -> None:
    torch.manual_seed(0)
    layer = SelfAttention(SIZE)
    x = torch.randn(ROWS, STEPS, SIZE, requires_grad=True)
    ours, theirs = layer(x), reference(layer, x)
    assert_close(ours, theirs)
    assert_close(gradients(ours, x, *layer.parameters()), gradients(theirs, x, *layer.parameters()))


def test_padded_steps_are_no_keys() -> None:
    torch.manual_seed(0)
    layer = SelfAttention(SIZE)
    x = torch.randn(ROWS, STEPS, SIZE, requires_grad=True)
    own = torch.arange(STEPS) < LENGTHS[:, None]
    ours, theirs = layer(x, LENGTHS)[own], reference(layer, x, own[:, None, :])[own]
    assert_close(ours, theirs)
    given = gradients(ours, x, *layer.parameters())
    assert_close(given, gradients(theirs, x, *layer.parameters()))
    assert (given[0][~own] == 0).all()
    weights = layer.weights(x, LENGTHS)
    assert (weights[~own[:, None, :].expand_as(weights)] == 0).all()
    assert_close(weights.sum(dim=-1), torch.ones(ROWS, STEPS))


def test_lengths_out_of_range_count_as_the_nearest_in_it() -> None:
    layer = SelfAttention(SIZE)
    x = torch.randn(ROWS, STEPS, SIZE)
    wild, tame = torch.tensor([-5, 0, 99]), torch.tensor([1, 1, STEPS])
    assert torch.equal(layer(x, wild), layer(x, tame))


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_every_layer_can_be_scripted(lengths: Tensor | None) -> None:
    """Exports of whole nets are certified elsewhere; here a layer stands for itself."""
    torch.manual_seed(0)
    images, rows = torch.randn(2, 3, 6, 6), torch.randn(ROWS, STEPS, SIZE)
    cases: list[tuple[nn.Module, tuple[Any, ...]]] = [
        (CustomLinear(SIZE, 2, bias=lengths is None), (rows,)),
        (CustomReLU(), (rows,)),
        (ResidualBlock(3, 4, 2), (images,)),
        (SelfAttention(SIZE), (rows, lengths)),
    ]
    for layer, inputs in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch.jit is deprecated
            scripted = torch.jit.script(layer.eval())
        assert_close(scripted(*inputs), layer(*inputs))
