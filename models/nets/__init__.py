"""Architectures by name. A net takes prepared tensors and gives raw outputs (logits, values).

What stands before and after it (standardisation, softmax) is `models.servable`'s. A new one is a
file here and a line in the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from models.nets.attention import Attention
from models.nets.cnn import CNN
from models.nets.custom_mlp import CustomMLP
from models.nets.linear import Linear
from models.nets.mlp import MLP
from models.nets.residual import Residual
from models.nets.resnet import ResNet18
from models.nets.transfer import Transfer
from models.nets.unet import UNet

NETS: dict[str, type[nn.Module]] = {
    "linear": Linear,
    "mlp": MLP,
    "custom_mlp": CustomMLP,
    "cnn": CNN,
    "residual": Residual,
    "attention": Attention,
    "unet": UNet,
    "resnet18": ResNet18,
    "transfer": Transfer,
}


def build_net(description: Mapping[str, Any]) -> nn.Module:
    """`{"name": "mlp", "inputs": 784, …}` → a net with fresh weights from torch's global generator.

    A net that stands on another one (`transfer`) has that one's description as its `base`.
    Raises `ValueError` for an unknown name or activation and `TypeError` for options that the net
    does not have.
    """
    options = dict(description)
    name = options.pop("name", None)
    if name not in NETS:
        raise ValueError(f"'net' is one of {', '.join(NETS)}, got {name!r}")
    if "base" in options:
        options["base"] = build_net(options["base"])
    return NETS[name](**options)
