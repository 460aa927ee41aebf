"""How weights start (the tutorial's section 9.3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from models.layers import CustomLinear
from models.params import InitializationName

INITIALIZATIONS: dict[InitializationName, Callable[[Tensor], Tensor] | None] = {
    "default": None,
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "kaiming_uniform": partial(nn.init.kaiming_uniform_, nonlinearity="relu"),
    "kaiming_normal": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "orthogonal": nn.init.orthogonal_,
}
"""None leaves what the layers chose themselves: uniform by fan-in, biases too."""

WEIGHTED = (nn.Linear, CustomLinear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def initialize(module: nn.Module, name: InitializationName) -> None:
    """Fill the weights of every linear and convolution layer in `module`, and zero their biases.

    Draws from torch's global generator. Other layers (norms, embeddings) keep what they have.
    """
    fill = INITIALIZATIONS[name]
    if fill is None:
        return
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, WEIGHTED):
                fill(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
