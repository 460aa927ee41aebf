"""Layers as pictures: their weights, and what passes through them for one input."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from models.errors import CannotInspect
from models.inspection.activations import record
from models.inspection.gradients import differentiate
from models.inspection.hooks import Calls
from models.inspection.layers import find, kind, layers_of, listed
from models.inspection.subject import Subject
from models.plots import inspection as plots
from models.rows import Tensors


def weights(subject: Subject, layer: str) -> Figure:
    """The filters of a convolution, averaged over its input channels; the matrix of a linear layer
    or an embedding; a histogram of what has no such form. Raises `LayerNotFound`, `CannotInspect`.
    """
    module = find(subject.model, layer)
    own = dict(module.named_parameters(recurse=False))
    if not own:
        raise _no_weights(subject.model, module, layer)
    name = "weight" if "weight" in own else max(own, key=lambda one: own[one].ndim)
    values = own[name].detach()
    if getattr(module, "transposed", False):  # torch keeps these as (in, out, …)
        values = values.transpose(0, 1)
    title = f"{layer} ({kind(module)}): {{}}"
    if values.ndim == 4 and values[0, 0].numel() > 1:
        return plots.maps(_array(values.mean(1)), title.format("filters"))
    if values.ndim in (2, 3, 4):
        axes = ("Input" if values.ndim == 2 else "Input channel and step", "Output")
        return plots.matrix(_array(values.flatten(1)), title.format(name), axes)
    return plots.histogram(_array(values.flatten()), title.format(name))


def activations(subject: Subject, row: Tensors, layer: str) -> Figure:
    """Raises `LayerNotFound` and `CannotInspect`."""
    module = find(subject.model, layer)
    calls = record(subject, row, {layer: module})[layer]
    return _drawn(calls, f"{layer} ({kind(module)}): activations", layer)


def gradients(subject: Subject, row: Tensors, layer: str, target: str | None = None) -> Figure:
    """Raises `LayerNotFound` and `CannotInspect`."""
    module = find(subject.model, layer)
    found = differentiate(subject, row, {layer: module}, target)
    of = found.score.output if found.score.target is None else f"P({found.score.target})"
    title = f"{layer} ({kind(module)}): gradient of {of}"
    return _drawn(found.layers[layer], title, layer)


def _drawn(calls: Calls, title: str, layer: str) -> Figure:
    """What the first call gave for the one row: maps of (channels, h, w), a matrix, or bars."""
    if not calls or not calls[0]:
        raise _not_drawable(layer, "expected a layer that takes part in the answer")
    first = calls[0][0]
    row = first[0] if first.ndim > 1 else first
    if row.ndim > 3 or not row.numel():
        raise _not_drawable(layer, "expected an output of one to three dimensions")
    if row.ndim == 3:
        return plots.maps(_array(row), title)
    if row.ndim == 2:
        return plots.matrix(_array(row), title, ("Feature", "Step"))
    return plots.bars(_array(row), title)


def _array(values: Tensor) -> NDArray[Any]:
    return values.to(torch.float64).numpy().astype(np.float64)


def _not_drawable(layer: str, message: str) -> CannotInspect:
    return CannotInspect(
        f"{message}, got {layer!r}; ask for JSON instead", code="not_drawable", field="layer"
    )


def _no_weights(model: nn.Module, module: nn.Module, layer: str) -> CannotInspect:
    having = [name for name, one in layers_of(model).items() if list(one.parameters(recurse=False))]
    known = listed(having) or "none in this model"
    return CannotInspect(
        f"expected a layer with weights ({known}), got {layer!r}, a {kind(module)} without",
        code="no_weights",
        field="layer",
    )
