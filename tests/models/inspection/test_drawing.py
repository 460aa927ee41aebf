from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor, nn

from models.errors import CannotInspect
from models.inspection import drawing
from tests.support.inspected import ONES, by_hand, row_of, subject


def picture(figure: Any) -> NDArray[Any]:
    """What is drawn in the first axes, as an array."""
    return figure.axes[0].images[0].get_array().filled(np.nan)


def test_filters_are_tiles_averaged_over_input_channels() -> None:
    conv = nn.Conv2d(3, 10, 3)
    tiled = picture(drawing.weights(subject(conv, (3, 8, 8)), "net"))
    assert tiled.shape == (2 * 3 + 1, 8 * 3 + 7)
    expected = conv.weight.detach().mean(1).numpy()
    assert np.allclose(tiled[:3, 4:7], expected[1])
    assert np.allclose(tiled[4:, :3], expected[8])
    assert np.isnan(tiled[3]).all()
    many = drawing.weights(subject(nn.Conv2d(1, 70, 3), (1, 8, 8)), "net")
    assert many.get_suptitle() == "net (Conv2d): filters (first 64 of 70)"


def test_a_transposed_convolution_has_a_filter_for_each_output() -> None:
    conv = nn.ConvTranspose2d(2, 3, 2)
    tiled = picture(drawing.weights(subject(conv, (2, 8, 8)), "net"))
    assert np.allclose(tiled[:, :2], conv.weight.detach()[:, 0].mean(0).numpy())


@pytest.mark.parametrize(
    ("module", "shape"),
    [(nn.Linear(4, 3), (3, 4)), (nn.Conv2d(4, 3, 1), (3, 4)), (nn.Conv1d(4, 3, 5), (3, 20))],
)
def test_matrices_are_heat_maps(module: nn.Module, shape: tuple[int, ...]) -> None:
    figure = drawing.weights(subject(module, (4,)), "net")
    assert np.allclose(picture(figure), module.weight.detach().numpy().reshape(shape))
    assert "weight" in figure.get_suptitle()


def test_other_weights_are_a_histogram() -> None:
    figure = drawing.weights(subject(nn.BatchNorm1d(30), (30,)), "net")
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert sum(heights) == 30
    attended = drawing.weights(subject(nn.MultiheadAttention(4, 2), (4,)), "net")
    assert attended.get_suptitle() == "net (MultiheadAttention): in_proj_weight"


def test_a_layer_without_weights_names_those_with() -> None:
    with pytest.raises(CannotInspect) as caught:
        drawing.weights(by_hand(), "net.1")
    assert str(caught.value) == (
        "expected a layer with weights (net.0), got 'net.1', a ReLU without"
    )
    assert caught.value.code == "no_weights"


def test_maps_matrices_and_bars_of_what_passes_through() -> None:
    made = subject(nn.Sequential(nn.Conv2d(1, 9, 1), nn.Flatten(2), nn.Flatten()), (1, 4, 4))
    rows = row_of(made)
    assert picture(drawing.activations(made, rows, "net.0")).shape == (9, 39)
    assert picture(drawing.activations(made, rows, "net.1")).shape == (9, 16)
    assert not drawing.activations(made, rows, "net.2").axes[0].images
    bars = drawing.gradients(by_hand(["cat", "dog"]), ONES, "net.0", "dog")
    assert bars.get_suptitle() == "net.0 (Linear): gradient of P(dog)"
    assert [bar.get_height() for bar in bars.axes[0].patches] == [0.0, 0.0]
    few = drawing.activations(by_hand(), ONES, "net.0")
    assert [bar.get_height() for bar in few.axes[0].patches] == [3.5, -1.0]


class Idle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def test_what_cannot_be_drawn_says_so() -> None:
    volumes = subject(nn.Conv3d(1, 2, 1), (1, 2, 2, 2))
    with pytest.raises(CannotInspect, match="one to three dimensions, got 'net'") as caught:
        drawing.activations(volumes, row_of(volumes), "net")
    assert caught.value.code == "not_drawable"
    idle = subject(Idle(), (2,))
    with pytest.raises(CannotInspect, match=r"takes part in the answer, got 'net\.idle'"):
        drawing.gradients(idle, row_of(idle), "net.idle")
