"""What the experiments of the tutorial's section 9 compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.plots.style import BLUE, INK, QUIET, SERIES, new_axes, new_figure


def histograms(
    edges: Sequence[float], counts: Mapping[str, Sequence[Sequence[int]]], title: str
) -> Figure:
    """A line of histograms for each name, of counts between `edges`."""
    columns = max(map(len, counts.values()))
    figure = new_figure(3.4 * columns + 1, 1.5 * len(counts) + 0.8, title)
    for line, (name, row) in enumerate(counts.items()):
        for column, values in enumerate(row):
            axes = figure.add_subplot(len(counts), columns, line * columns + column + 1)
            axes.stairs(values, edges, fill=True, color=BLUE)
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8, labelcolor=QUIET)
            if line == 0:
                axes.set_title(f"Layer {column + 1}", fontsize=11, color=INK)
            if column == 0:
                axes.set_ylabel(name, fontsize=9, color=INK)
    return figure


def fitted(
    points: Mapping[str, NDArray[Any]],
    x: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    title: str,
) -> Figure:
    """Functions over `x`, and the points (n, 2) that they were fitted to and judged by."""
    figure = new_figure(8.0, 5.0, title)
    axes = new_axes(figure)
    for (name, values), marker in zip(points.items(), ("o", "^"), strict=False):
        axes.scatter(values[:, 0], values[:, 1], s=22, color=QUIET, marker=marker, label=name)
    for (name, heights), colour in zip(lines.items(), SERIES, strict=False):
        axes.plot(x, np.asarray(heights), color=colour, linewidth=1.8, label=name)
    axes.set_xlabel("x")
    axes.set_ylabel("y")
    axes.legend(frameon=False)
    return figure
