"""Sequences, and what attention takes from where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.plots.style import INK, RULE, SEQUENTIAL, SERIES, new_figure


@dataclass(frozen=True)
class Attended:
    """A sequence without its padding, and who takes how much from whom."""

    caption: str
    steps: NDArray[Any]
    """(steps, numbers)."""
    weights: NDArray[Any]
    """(steps, steps): rows take, columns give, and each row sums to one."""


def attention_maps(rows: Sequence[Attended], title: str) -> Figure:
    """Each sequence over its map, on the same axis of steps; darker is more, each by itself."""
    figure = new_figure(1.0 + 3.0 * len(rows), 5.4, title)
    grid = figure.add_gridspec(2, len(rows), height_ratios=(1, 2))
    for column, row in enumerate(rows):
        above = figure.add_subplot(grid[0, column])
        for colour, values in zip(SERIES, row.steps.T, strict=False):
            above.plot(values, color=colour, linewidth=1.4)
        above.set_title(row.caption, fontsize=10.5, color=INK)
        above.spines[["top", "right"]].set_visible(False)
        above.margins(x=0)
        below = figure.add_subplot(grid[1, column], sharex=above)
        below.imshow(row.weights, cmap=SEQUENTIAL, aspect="auto", interpolation="nearest")
        below.set_xlabel("Step that gives", color=INK)
        if column == 0:
            below.set_ylabel("Step that takes", color=INK)
        for axes in (above, below):
            axes.tick_params(color=RULE, labelsize=8)
    return figure
