"""Rows that a net is trained or judged on, and how they become batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import NamedTuple

from torch import Tensor

GATHERED = 1 << 20
"""Input elements that are put in order at once: one copy of many batches is cheaper than many, and
4 MB still fit in a cache."""


@dataclass(frozen=True)
class Rows:
    """Prepared inputs and what the loss compares with, on the device, row for row."""

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None = None
    """int64 (rows,): how many steps of each row of padded `inputs` (rows, steps, …) count. A net
    is given them as its second input."""

    def __len__(self) -> int:
        return self.inputs.shape[0]

    @property
    def width(self) -> int:
        """Elements that one row costs: its own, or its pairs of steps, which attention compares."""
        return row_width(self.inputs.shape, sequences=self.lengths is not None)

    def part(self, some: slice) -> Rows:
        """A view of some of the rows."""
        lengths = None if self.lengths is None else self.lengths[some]
        return Rows(self.inputs[some], self.targets[some], lengths)

    def batch(self, index: Tensor | slice) -> Batch:
        inputs, targets = self.inputs[index], self.targets[index]
        if self.lengths is None:
            return Batch((inputs,), targets)
        return collate(inputs, self.lengths[index], targets)


def row_width(shape: Sequence[int], *, sequences: bool) -> int:
    """`Rows.width` of inputs of `shape`, rows first."""
    own = max(1, prod(shape[1:]))
    return max(own, shape[1] ** 2) if sequences else own


class Batch(NamedTuple):
    inputs: tuple[Tensor, ...]
    """What the net is called with."""
    targets: Tensor


def collate(inputs: Tensor, lengths: Tensor, targets: Tensor) -> Batch:
    """Longest first, with no more padding than the longest needs: the tutorial's section 10.1."""
    lengths, order = lengths.sort(descending=True, stable=True)
    steps = int(lengths[0]) if len(lengths) else 0
    return Batch((inputs[order, :steps], lengths), targets[order])


def batches(rows: Rows, order: Tensor, size: int, first: int = 0) -> Iterator[Batch]:
    """`rows` in `order`, in batches of `size` (the last may be smaller), from batch `first` on.

    A batch is at the same place in memory relative to its neighbours wherever one begins: matrix
    products may round otherwise on rows that are aligned otherwise.
    """
    order = order.to(rows.inputs.device)
    if rows.lengths is not None:
        yield from (rows.batch(index) for index in order[first * size :].split(size))
        return
    together = max(1, GATHERED // (size * rows.width))
    skipped, first = divmod(first, together)
    for index in order[skipped * together * size :].split(together * size):
        inputs, targets = rows.inputs.index_select(0, index), rows.targets.index_select(0, index)
        pairs = zip(inputs.split(size), targets.split(size), strict=True)
        yield from (Batch((some,), wanted) for some, wanted in islice(pairs, first, None))
        first = 0


def in_order(rows: Rows, size: int) -> Iterator[Batch]:
    """All rows as they come, in batches of `size`, without a copy where nothing has to move."""
    for start in range(0, len(rows), size):
        yield rows.batch(slice(start, start + size))
