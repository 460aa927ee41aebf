"""All trainable parameters of a model as views of one tensor, and their gradients of another.

An update rule then costs one call per operation instead of one per operation and parameter. The
rules of `models.optimizers` act on each element by itself, so the result is bit for bit that of
separate parameters; the tests hold them to it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.errors import InvalidData

ALIGNMENT = 16
"""Elements (64 bytes): each parameter starts where its own allocation would, so that matrix
products see the alignment that they are used to."""


class FlatParameters:
    """Takes over the trainable parameters of `module` until `release`.

    They keep their identity and shapes, and `state_dict` and `load_state_dict` go on working.
    The module must not move to another device or dtype meanwhile.
    """

    def __init__(self, module: nn.Module) -> None:
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        kinds = {(p.dtype, p.device) for p in self._parameters}
        if len(kinds) != 1:
            raise InvalidData(
                "a model trains with one type of parameters on one device, "
                f"got {sorted(map(str, kinds)) or 'none'}"
            )
        starts: list[int] = []
        size = 0
        for parameter in self._parameters:
            starts.append(size)
            size += -(-parameter.numel() // ALIGNMENT) * ALIGNMENT
        values = self._parameters[0].detach().new_zeros(size)
        self.grad = torch.zeros_like(values)
        for parameter, start in zip(self._parameters, starts, strict=True):
            self._adopt(parameter, values, start)
        self.parameter = nn.Parameter(values)
        """What an optimizer is given; its padding between parameters stays zero."""
        self.parameter.grad = self.grad

    def _adopt(self, parameter: nn.Parameter, values: Tensor, start: int) -> None:
        end = start + parameter.numel()
        view = values[start:end].view(parameter.shape)
        view.copy_(parameter.detach())
        parameter.data = view
        parameter.grad = self.grad[start:end].view(parameter.shape)

    def release(self) -> None:
        """Give each parameter memory of its own again, and drop the gradients."""
        for parameter in self._parameters:
            parameter.data = parameter.detach().clone()
            parameter.grad = None
