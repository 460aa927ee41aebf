"""What each layer gives for one input, by forward hooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from models.inspection import statistics
from models.inspection.hooks import Calls, outputs_of
from models.inspection.layers import find, kind, layers_of
from models.inspection.subject import Subject
from models.inspection.summary import shape_of
from models.rows import Tensors


def activations(subject: Subject, row: Tensors, layer: str | None = None) -> dict[str, Any]:
    """Statistics of every layer's output, or of one module's. Raises `LayerNotFound`."""
    modules = chosen(subject.model, layer)
    records = record(subject, row, modules)
    return {
        "layers": [
            {
                **described(name, modules[name], calls),
                **statistics.of_activations(tensor for call in calls for tensor in call),
            }
            for name, calls in records.items()
        ]
    }


def record(subject: Subject, rows: Tensors, modules: Mapping[str, nn.Module]) -> dict[str, Calls]:
    """The outputs of `modules` by name. Raises `CannotInspect` if the model fails on `rows`."""
    with outputs_of(modules) as records, torch.no_grad():
        subject.run(subject.tensors(rows))
    return records


def chosen(model: nn.Module, layer: str | None) -> dict[str, nn.Module]:
    return layers_of(model) if layer is None else {layer: find(model, layer)}


def described(name: str, module: nn.Module, calls: Calls) -> dict[str, Any]:
    """What is said of a layer besides its numbers."""
    return {
        "name": name,
        "type": kind(module),
        "calls": len(calls),
        "shape": shape_of(calls),
    }
