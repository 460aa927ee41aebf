"""Watching layers while a model runs: forward hooks for outputs, full backward hooks for gradients.

The tutorial's `register_backward_hook` is deprecated, because it gives wrong gradients for modules
of several operations, and its hooks stay where the forward pass raises. Here they are removed by
the end of a `with` block.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from torch import Tensor, nn

Calls = list[list[Tensor]]
"""For each call of a module, in order, the tensors that it gave."""
Records = dict[str, Calls]


@contextmanager
def outputs_of(modules: Mapping[str, nn.Module]) -> Generator[Records]:
    """Copies of what the modules give while the block runs, by name; empty for one not called.

    Copies, because a layer after it may work in place (`ReLU(inplace=True)`, `out += x`).
    """
    records: Records = {name: [] for name in modules}
    with ExitStack() as hooks:
        for name, module in modules.items():

            def record(_module: nn.Module, _inputs: Any, output: Any, name: str = name) -> None:
                records[name].append([found.detach().clone() for found in tensors_in(output)])

            hooks.callback(module.register_forward_hook(record).remove)
        yield records


@contextmanager
def gradients_of(modules: Mapping[str, nn.Module]) -> Generator[Records]:
    """The gradients by what the modules gave, recorded when a backward pass comes by."""
    records: Records = {name: [] for name in modules}
    with ExitStack() as hooks:
        for name, module in modules.items():

            def watch(_module: nn.Module, _inputs: Any, output: Any, name: str = name) -> Any:
                call: list[Tensor] = []
                records[name].append(call)
                return _replaced(output, lambda tensor: _probed(tensor, call))

            hooks.callback(module.register_forward_hook(watch).remove)
        yield records


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors of an output, however it is nested: a tuple, a list, a dictionary."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(cast(Mapping[Any, Any], value).values())
    if isinstance(value, tuple | list):
        return [tensor for item in cast(list[Any], value) for tensor in tensors_in(item)]
    return []


class _Probe(nn.Module):
    """Gives what it gets; something to hang a backward hook on."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def _probed(tensor: Tensor, call: list[Tensor]) -> Tensor:
    """`tensor`, whose gradient will be added to `call`.

    The full backward hook is on a probe behind the layer and not on the layer itself, because
    torch forbids to change the output of a module that has one in place, as residual nets do
    (`out += x`). The copy behind the probe may be changed; the gradient is the same.
    """
    if not tensor.requires_grad:
        return tensor
    probe = _Probe()

    def record(_module: nn.Module, _inputs: Any, gradients: Any) -> None:
        call.extend(gradient.detach() for gradient in gradients if gradient is not None)

    probe.register_full_backward_hook(record)
    return probe(tensor).clone()


def _replaced(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """`value` with each of its tensors changed, however it is nested."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        items = cast(Mapping[Any, Any], value).items()
        return {key: _replaced(item, change) for key, item in items}
    if isinstance(value, tuple | list):
        kind: Any = type(cast(Any, value))
        changed = [_replaced(item, change) for item in cast(list[Any], value)]
        return kind(*changed) if hasattr(kind, "_fields") else kind(changed)  # of a named tuple
    return value
