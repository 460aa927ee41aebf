"""What a model is made of: every module with its output's shape and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from models.errors import CannotInspect
from models.inspection.hooks import Calls, outputs_of
from models.inspection.layers import kind
from models.inspection.subject import Subject
from models.inspection.summary_text import text_of
from models.rows import Tensors


def summary(subject: Subject, row: Tensors) -> dict[str, Any]:
    """`row`: a batch of one, for the shapes. A module that is not called for it has none.

    A parameter is counted where it stands first, in the module that holds it: the modules'
    counts add up to the total, shared weights or not.
    """
    model = subject.model
    modules = {name: module for name, module in model.named_modules() if name}
    calls = _calls(subject, modules, row)
    seen: set[int] = set()
    rows = [_module(name, module, calls[name], seen) for name, module in modules.items()]
    parameters = list(model.parameters())
    totals = {
        "parameters": sum(one.numel() for one in parameters),
        "trainable_parameters": sum(one.numel() for one in parameters if one.requires_grad),
        "size_bytes": sum(one.nbytes for one in (*parameters, *model.buffers())),
    }
    text = text_of(kind(model.net), rows, totals)
    return {"modules": rows, **totals, "text": text}


def _calls(subject: Subject, modules: Mapping[str, nn.Module], row: Tensors) -> dict[str, Calls]:
    # A made-up row of free sizes may be none that this net can take; what it is made of can be told
    # all the same.
    with outputs_of(modules) as records, torch.no_grad(), suppress(CannotInspect):
        subject.run(subject.tensors(row))
    return records


def _module(name: str, module: nn.Module, calls: Calls, seen: set[int]) -> dict[str, Any]:
    own = [one for one in module.parameters(recurse=False) if id(one) not in seen]
    seen.update(map(id, own))
    return {
        "name": name,
        "type": kind(module),
        "calls": len(calls),
        "output_shape": shape_of(calls),
        "parameters": sum(one.numel() for one in own),
        "trainable": any(one.requires_grad for one in own) if own else None,
    }


def shape_of(calls: Calls) -> list[int] | None:
    """Of the first tensor of the first call, batch first; None where there was none."""
    return list(calls[0][0].shape) if calls and calls[0] else None
