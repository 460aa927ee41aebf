from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from models.nets import build_net


def unet(**options: int) -> nn.Module:
    torch.manual_seed(0)
    return build_net({"name": "unet", "channels": 1, **options}).eval()


@pytest.mark.parametrize(("levels", "height", "width"), [(1, 6, 4), (2, 32, 20), (3, 16, 8)])
def test_the_answer_is_as_large_as_the_picture(levels: int, height: int, width: int) -> None:
    net = unet(channels=3, outputs=2, width=2, levels=levels)
    assert net(torch.zeros(4, 3, height, width)).shape == (4, 2, height, width)


def test_each_level_doubles_the_filters() -> None:
    net = unet(width=3, levels=2)
    widths = [layer.out_channels for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [3, 3, 6, 6, 12, 12, 6, 6, 3, 3, 1]


def test_what_was_there_on_the_way_down_is_joined_on_the_way_up() -> None:
    """With nothing coming up from below, the picture still reaches the answer."""
    net = unet(width=2, levels=2)
    for name, value in net.named_parameters():
        if "enlarge" in name:
            nn.init.zeros_(value)
    pictures = torch.randn(2, 1, 8, 8)
    answers = net(pictures)
    assert not torch.allclose(answers[0], answers[1], atol=1e-3)


def test_a_pixel_depends_on_those_around_it_and_not_on_far_ones() -> None:
    net = unet(width=2, levels=1)
    picture = torch.randn(1, 1, 64, 64, requires_grad=True)
    net(picture)[0, 0, 32, 32].backward()
    assert picture.grad is not None
    reached = picture.grad[0, 0].nonzero()
    assert (reached - 32).abs().max() in range(4, 16)


def test_it_can_be_scripted() -> None:
    net, pictures = unet(width=2), torch.randn(3, 1, 8, 12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # all of torch.jit has one
        scripted = torch.jit.script(net)
    assert torch.equal(scripted(pictures), net(pictures))
