"""A trained net with a new head: the tutorial's section 10.5, for any net that ends in a layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

from torch import Tensor, nn

from models.layers import CustomLinear
from models.nets.mlp import MLP

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)
"""They belong to the layer before them: one that is frozen has frozen statistics."""


class Transfer(nn.Module):
    """`base` without its last linear layer, and an `MLP` as its head: (n, …) → (n, outputs).

    The last `unfreeze_layers` layers of the base train with the head, all of them where it is None;
    the others are frozen: they have no gradients, and are in eval mode whatever the net is in, so
    that their dropout drops nothing and the statistics of their normalisations stay as they are.
    """

    def __init__(
        self,
        base: nn.Module,
        outputs: int,
        hidden: Sequence[int] = (),
        activation: str = "relu",
        dropout: float = 0.0,
        unfreeze_layers: int | None = 0,
    ) -> None:
        super().__init__()
        width = _cut(base)
        self.base = base
        self.head = MLP(width, outputs, hidden, activation, dropout)
        self.unfreeze_layers = unfreeze_layers
        self.base.requires_grad_(False)
        for module in self._unfrozen():
            module.requires_grad_(True)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.base(x))

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.base.eval()
        for module in self._unfrozen():
            module.train(mode)
        return self

    def _unfrozen(self) -> Iterator[nn.Module]:
        stages = layers_in(self.base)
        count = len(stages) if self.unfreeze_layers is None else self.unfreeze_layers
        for stage in stages[max(0, len(stages) - count) :]:
            yield from stage


def layers_in(net: nn.Module) -> list[list[nn.Module]]:
    """The layers and blocks of a net that have parameters, in order, each with the normalisation,
    activation, pooling and dropout that follow it."""
    found: list[list[nn.Module]] = []
    for module in _steps(net):
        if not found or (_learns(module) and not isinstance(module, NORMS)):
            found.append([module])
        else:
            found[-1].append(module)
    return [stage for stage in found if any(map(_learns, stage))]


def _steps(net: nn.Module) -> Iterator[nn.Module]:
    """The parts of a net one after the other: inside of sequences, of what only wraps another
    module, and of a base that was transferred before; blocks stay whole."""
    parts = list(net.children())
    for part in parts:
        sequence = isinstance(part, nn.Sequential | nn.ModuleList)
        wrapped = len(parts) == 1 and not isinstance(net, nn.Sequential)
        opened = sequence or wrapped or isinstance(net, Transfer)
        if opened and next(part.children(), None) is not None:
            yield from _steps(part)
        else:
            yield part


def _learns(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _cut(net: nn.Module) -> int:
    """Take the last linear layer off. → how many features it was given.

    Raises `ValueError` where there is none.
    """
    linear = [
        name for name, part in net.named_modules() if isinstance(part, nn.Linear | CustomLinear)
    ]
    if not linear:
        raise ValueError("a base ends in a linear layer, got one without any")
    parent, _, own = linear[-1].rpartition(".")
    layer = net.get_submodule(linear[-1])
    setattr(net.get_submodule(parent), own, nn.Identity())
    return int(layer.get_parameter("weight").shape[1])
