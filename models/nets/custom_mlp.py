"""A fully connected net of the tutorial's own layers (section 10.2)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from models.layers import CustomLinear, CustomReLU


class CustomMLP(nn.Module):
    """`MLP` out of `CustomLinear`, with `CustomReLU` of slope `alpha` between the layers.

    (n, …) → (n, outputs); the input's dimensions after the first are flattened to `inputs`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int] = (),
        alpha: float = 0.1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        width = inputs
        for size in hidden:
            layers += [CustomLinear(width, size), CustomReLU(alpha)]
            if dropout:
                layers.append(nn.Dropout(dropout))
            width = size
        self.layers = nn.Sequential(*layers, CustomLinear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
