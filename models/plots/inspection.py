"""Inside a model: filters and feature maps, matrices, bars, histograms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from models.plots.style import BLUE, DIVERGING, INK, QUIET, SEQUENTIAL, new_axes, new_figure

Values = NDArray[Any]

MAX_MAPS = 64
GAP = "#e9edf1"
"""Between tiles, so that one of nothing but zeros is seen to be there; and for NaN."""
MAX_BARS = 64
"""Beyond that single bars cannot be told apart any more, and an area says the same."""


def maps(values: Values, title: str) -> Figure:
    """(n, height, width): each map a tile, eight in a line, all in the same colours.

    The tiles are one picture with gaps: 64 axes would take a second to lay out.
    """
    count, shown = len(values), values[:MAX_MAPS]
    if count > MAX_MAPS:
        title = f"{title} (first {MAX_MAPS} of {count})"
    tiled = _tiled(shown)
    height = 1.1 + min(7.0, 7.2 * tiled.shape[0] / tiled.shape[1])
    figure = new_figure(8.2, max(2.4, height), title)
    axes = figure.add_subplot()
    axes.set_axis_off()
    _shaded(figure, axes, tiled, aspect="equal")
    return figure


def matrix(values: Values, title: str, axes_names: tuple[str, str]) -> Figure:
    """(down, across); `axes_names` are of the columns and of the rows."""
    figure = new_figure(8.6, 5.2, title)
    axes = new_axes(figure)
    axes.grid(visible=False)
    _shaded(figure, axes, values, aspect="auto")
    axes.set_xlabel(axes_names[0])
    axes.set_ylabel(axes_names[1])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def bars(values: Values, title: str) -> Figure:
    """One value for each unit."""
    figure = new_figure(8.6, 4.2, title)
    axes = new_axes(figure)
    units = np.arange(len(values))
    if len(values) > MAX_BARS:
        axes.fill_between(units, values, step="mid", color=BLUE, linewidth=0)
    else:
        axes.bar(units, values, color=BLUE)
    axes.axhline(0, color=QUIET, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Unit")
    axes.set_ylabel("Value")
    return figure


def histogram(values: Values, title: str) -> Figure:
    finite = values[np.isfinite(values)]
    figure = new_figure(7.4, 4.2, title)
    axes = new_axes(figure)
    axes.hist(finite, bins=min(50, max(5, math.isqrt(len(finite)))), color=BLUE, edgecolor="white")
    axes.set_xlabel("Value")
    axes.set_ylabel("How many")
    return figure


def _tiled(values: Values) -> Values:
    """(n, h, w) → one picture with NaN between the tiles."""
    count, height, width = values.shape
    columns = min(8, count)
    lines = -(-count // columns)
    gap = max(1, round(max(height, width) / 16))
    tiled = np.full((lines * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for place, tile in enumerate(values):
        top, left = (place // columns) * (height + gap), (place % columns) * (width + gap)
        tiled[top : top + height, left : left + width] = tile
    return tiled


def _shaded(figure: Figure, axes: Axes, values: Values, *, aspect: Any) -> None:
    """White is zero: one colour upwards where nothing is negative, else two, as far both ways."""
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    largest = max(abs(low), abs(high)) or 1.0
    colours, least = (SEQUENTIAL, 0.0) if low >= 0 else (DIVERGING, -largest)
    picture = axes.imshow(
        values,
        cmap=colours.with_extremes(bad=GAP),
        vmin=least,
        vmax=largest,
        aspect=aspect,
        interpolation="nearest",
    )
    bar = figure.colorbar(picture, ax=axes, shrink=0.8)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelcolor=INK, labelsize=9)
