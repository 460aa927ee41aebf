"""Tensors in a few numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def of_activations(tensors: Iterable[Tensor]) -> dict[str, Any]:
    """Over all values of all the tensors; None where there are none, or one is not finite.

    `std` is that of the values themselves (n, not n - 1, below the sum), so that one value has
    none instead of NaN. `zero_share` is what a ReLU has silenced.
    """
    values = _flat(tensors)
    if values is None:
        return dict.fromkeys(("mean", "std", "min", "max", "zero_share"))
    return {
        "mean": number(values.mean()),
        "std": number(values.std(correction=0)),
        "min": number(values.min()),
        "max": number(values.max()),
        "zero_share": number((values == 0).double().mean()),
    }


def of_gradients(tensors: Iterable[Tensor]) -> dict[str, Any]:
    """As above; `norm` is the Euclidean one."""
    values = _flat(tensors)
    if values is None:
        return dict.fromkeys(("norm", "mean", "std", "max_abs"))
    return {
        "norm": number(values.norm()),
        "mean": number(values.mean()),
        "std": number(values.std(correction=0)),
        "max_abs": number(values.abs().max()),
    }


def _flat(tensors: Iterable[Tensor]) -> Tensor | None:
    parts = [tensor.double().flatten() for tensor in tensors if tensor.numel()]
    return torch.cat(parts) if parts else None


def number(value: Tensor) -> float | None:
    """JSON has no NaN and no infinity."""
    number = value.item()
    return number if math.isfinite(number) else None
