"""The tutorial's section 10.7: convolutions, each followed by an activation and a pooling."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn

from models.nets.activations import build_activation


class CNN(nn.Module):
    """(n, channels, height, width) → (n, outputs).

    Each 3x3 convolution keeps the size, each pooling halves it (a side of one stays one). With
    filters [16, 32] on 28x28 it is the tutorial's `ConvNet`, and its layers have the same names.
    """

    def __init__(
        self,
        channels: int,
        height: int,
        width: int,
        outputs: int,
        filters: Sequence[int] = (16, 32),
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers = OrderedDict[str, nn.Module]()
        for number, size in enumerate(filters, start=1):
            window = (min(2, height), min(2, width))
            layers[f"conv{number}"] = nn.Conv2d(channels, size, kernel_size=3, padding=1)
            layers[f"relu{number}"] = build_activation(activation)
            layers[f"pool{number}"] = nn.MaxPool2d(window)
            channels, height, width = size, height // window[0], width // window[1]
        layers["flatten"] = nn.Flatten()
        if dropout:
            layers["dropout"] = nn.Dropout(dropout)
        layers["fc"] = nn.Linear(channels * height * width, outputs)
        self.layers = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
