"""Layers by the names that `named_modules` gives them: `net.layers.1`."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from models.errors import LayerNotFound

NAMED = 12
"""So many layers are named to somebody who asked for one that does not exist."""


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    """The modules that compute something themselves, in the model's order: those without parts,
    and those that have parameters beside their parts (torch's MultiheadAttention)."""
    return {
        name: module
        for name, module in model.named_modules()
        if name and (_is_leaf(module) or list(module.parameters(recurse=False)))
    }


def find(model: nn.Module, name: str) -> nn.Module:
    """Any module of the model but itself, containers too. Raises `LayerNotFound`."""
    found = dict(model.named_modules()).get(name) if name else None
    if found is None:
        known = listed(layers_of(model))
        raise LayerNotFound(
            f"expected the name of a layer ({known}), got {name[:64]!r}", field="layer"
        )
    return found


def listed(names: Iterable[str]) -> str:
    """A few names for a message; both ends of a long list, because that is what people look at."""
    every = list(names)
    if len(every) > NAMED:
        every = [*every[: NAMED // 2], "…", *every[-NAMED // 2 :]]
    return ", ".join(every)


def kind(module: nn.Module) -> str:
    return type(module).__name__


def _is_leaf(module: nn.Module) -> bool:
    return next(module.children(), None) is None
