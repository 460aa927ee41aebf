"""Architectures by name. A net takes prepared tensors and gives raw outputs (logits, values).

What stands before and after it (standardisation, softmax) is `models.servable`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
}


class Linear(nn.Module):
    """One affine map, the tutorial's section 5: (n, inputs) → (n, outputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


class MLP(nn.Module):
    """Fully connected layers with an activation, and dropout if asked, after each but the last.

    (n, …) → (n, outputs); the input's dimensions after the first are flattened to `inputs`.
    With hidden [128, 64] and dropout 0.2 it is the tutorial's `MNISTClassifier` (section 7), with
    hidden [16, 16] its `BinaryClassifier` (section 6) without the final sigmoid, and with one
    hidden layer its `SimpleNN` (section 4).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int] = (),
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        width = inputs
        for size in hidden:
            layers += [nn.Linear(width, size), _activation(activation)]
            if dropout:
                layers.append(nn.Dropout(dropout))
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


NETS: dict[str, type[nn.Module]] = {"linear": Linear, "mlp": MLP}


def build_net(description: Mapping[str, Any]) -> nn.Module:
    """`{"name": "mlp", "inputs": 784, …}` → a net with fresh weights from torch's global generator.

    Raises `ValueError` for an unknown name or activation and `TypeError` for options that the net
    does not have.
    """
    options = dict(description)
    name = options.pop("name", None)
    if name not in NETS:
        raise ValueError(f"'net' is one of {', '.join(NETS)}, got {name!r}")
    return NETS[name](**options)


def _activation(name: str) -> nn.Module:
    if name not in ACTIVATIONS:
        raise ValueError(f"'activation' is one of {', '.join(ACTIVATIONS)}, got {name!r}")
    return ACTIVATIONS[name]()
