"""What a net is worth on rows: its loss and its measures, in large batches, with one sync."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from models.batches import Rows, in_order

Measure = Callable[[Tensor, Tensor], Tensor]
"""(outputs, targets) of a batch → a scalar tensor, the sum over its rows."""

ELEMENTS = 1 << 22
"""Input elements in one batch: large enough that calls cost nothing, small enough for a cache's
sake and for memory."""


def evaluate(
    net: nn.Module, rows: Rows, loss: nn.Module | None, measures: Mapping[str, Measure]
) -> dict[str, Tensor]:
    """Means over `rows` by name, `loss` among them if one is given; scalar tensors, not yet read.

    `net` is used as it is: the caller has put it in eval mode.
    """
    totals: dict[str, Tensor] = {}
    with torch.inference_mode():
        for inputs, targets in in_order(rows, max(1, ELEMENTS // rows.width)):
            outputs = net(*inputs)
            found = {name: measure(outputs, targets) for name, measure in measures.items()}
            if loss is not None:
                found["loss"] = loss(outputs, targets) * len(targets)
            for name, value in found.items():
                totals[name] = totals[name] + value if name in totals else value.double()
    return {name: total / len(rows) for name, total in totals.items()}
