"""Fully connected nets: the tutorial's sections 4, 6, 7 and 8."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from models.nets.activations import build_activation
from models.nets.batch_norm import BatchNorm


class MLP(nn.Module):
    """Fully connected layers with an activation, and dropout if asked, after each but the last.

    (n, …) → (n, outputs); the input's dimensions after the first are flattened to `inputs`.
    With hidden [128, 64] and dropout 0.2 it is the tutorial's `MNISTClassifier` (section 7), with
    hidden [16, 16] its `BinaryClassifier` (section 6) without the final sigmoid, with hidden
    [64, 32], dropout 0.2 and batch normalisation its `HousingRegressor` (section 8), and with one
    hidden layer its `SimpleNN` (section 4).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int] = (),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        width = inputs
        for size in hidden:
            layers.append(nn.Linear(width, size))
            if batch_norm:
                layers.append(BatchNorm(size))
            layers.append(build_activation(activation))
            if dropout:
                layers.append(nn.Dropout(dropout))
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
