"""The unit that is trained, exported and served: raw features in, final answer out.

One definition of pre- and post-processing, inside the graph, is what keeps every backend equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from models.errors import ExportFailed
from models.nets import build_net
from models.transforms import POST, PRE


class Servable(nn.Module):
    """`post(net(pre(x)))`, with the JSON-ready description that `build` makes it from."""

    def __init__(
        self, pre: nn.Module, net: nn.Module, post: nn.Module, architecture: dict[str, Any]
    ) -> None:
        super().__init__()
        self.pre = pre
        self.net = net
        self.post = post
        self.architecture = architecture

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Inputs in the signature's order, batch first. `pre` sees the first one only; further
        ones (lengths, masks) describe it and go to the net as they are."""
        first, *rest = inputs
        return self.post(self.net(self.pre(first), *rest))

    def with_inputs(self, count: int) -> nn.Module:
        """The same parts behind a `forward` of so many inputs: TorchScript reads no `*inputs`.

        Raises `ExportFailed` for a count that no model has.
        """
        if count not in FIXED:
            raise ExportFailed(f"a model has one or two inputs, got {count}")
        return FIXED[count](self.pre, self.net, self.post)


class _Parts(nn.Module):
    def __init__(self, pre: nn.Module, net: nn.Module, post: nn.Module) -> None:
        super().__init__()
        self.pre = pre
        self.net = net
        self.post = post


class OneInput(_Parts):
    # What it returns TorchScript finds out by itself: one tensor, or several.
    def forward(self, first: Tensor):
        return self.post(self.net(self.pre(first)))


class TwoInputs(_Parts):
    def forward(self, first: Tensor, second: Tensor):
        return self.post(self.net(self.pre(first), second))


FIXED: dict[int, type[_Parts]] = {1: OneInput, 2: TwoInputs}


def build(architecture: Mapping[str, Any]) -> Servable:
    """A servable with fresh weights and buffers of the right shapes.

    `architecture`: `{"pre": {"name": "standardize", "size": 10}, "net": {"name": "mlp", …},
    "post": {"name": "softmax"}}`; sizes only, values live in the state dict.
    Raises `ExportFailed` when it describes no model.
    """
    parts = {part: _part(architecture, part) for part in ("pre", "net", "post")}
    try:
        return Servable(
            _transform(PRE, "pre", parts["pre"]),
            build_net(parts["net"]),
            _transform(POST, "post", parts["post"]),
            parts,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ExportFailed(f"the architecture describes no model: {error}") from error


def _part(architecture: Mapping[str, Any], part: str) -> dict[str, Any]:
    value: object = architecture.get(part)
    if not isinstance(value, Mapping) or "name" not in value:
        raise ExportFailed(f"the architecture has no '{part}' with a 'name'")
    return dict(cast(Mapping[str, Any], value))


def _transform(
    table: Mapping[str, type[nn.Module]], part: str, description: Mapping[str, Any]
) -> nn.Module:
    options = dict(description)
    name = options.pop("name")
    if name not in table:
        raise ExportFailed(f"'{part}' is one of {', '.join(table)}, got '{name}'")
    return table[name](**options)
