"""The nets that images may be told apart by, and the params that describe them. Torch-free."""

from __future__ import annotations

from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field

from models.params import Activation, Dropout, HiddenLayers, TrainingParams

ImageNet = Literal["mlp", "custom_mlp", "cnn", "residual"]
Channels = Annotated[int, Field(ge=1, le=512)]

FILTERS: dict[str, list[int]] = {"cnn": [16, 32], "residual": [16, 32, 64]}


class ImageNetParams(TrainingParams, frozen=True):
    """Which net, and what each of them has to choose; fields of other nets are left unused."""

    net: ImageNet = Field(
        default="mlp",
        description="Fully connected (`mlp`; `custom_mlp` is one of hand-written layers with leaky "
        "activations), convolutional (`cnn`) or with residual blocks (`residual`)",
    )
    hidden: HiddenLayers = Field(
        default=[128, 64],
        description="Units of each hidden layer, in order (`mlp`, `custom_mlp`)",
    )
    filters: list[Channels] | None = Field(
        default=None,
        min_length=1,
        max_length=8,
        description="Channels of each convolution (`cnn`) or block (`residual`), which each halve "
        "the image; null is [16, 32] for `cnn` and [16, 32, 64] for `residual`",
    )
    activation: Activation = Field(
        default="relu", description="Between the layers (`mlp`, `cnn`; `residual` has ReLU)"
    )
    dropout: Dropout = Field(
        default=0.2,
        description="Share of units dropped while training: of each hidden layer (`mlp`, "
        "`custom_mlp`), or before the last layer (`cnn`, `residual`)",
    )


def describe(params: ImageNetParams, shape: tuple[int, ...], classes: int) -> dict[str, Any]:
    """What `build_net` makes a net of for images of `shape` (channels, height, width)."""
    channels, height, width = shape
    flat = {"inputs": prod(shape), "hidden": params.hidden}
    sized = {"channels": channels, "height": height, "width": width}
    filters = {"filters": params.filters or FILTERS.get(params.net)}
    own: dict[ImageNet, dict[str, Any]] = {
        "mlp": {**flat, "activation": params.activation},
        "custom_mlp": flat,
        "cnn": {**sized, **filters, "activation": params.activation},
        "residual": {"channels": channels, **filters},
    }
    return {"name": params.net, **own[params.net], "outputs": classes, "dropout": params.dropout}
