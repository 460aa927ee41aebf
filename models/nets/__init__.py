"""Architectures by name. A net takes prepared tensors and gives raw outputs (logits, values).

What stands before and after it (standardisation, softmax) is `models.servable`'s. A new one is a
file here and a line in the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from models.nets.linear import Linear
from models.nets.mlp import MLP

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
