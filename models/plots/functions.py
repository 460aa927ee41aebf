"""Functions of one number beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from models.plots.style import SERIES, new_axes, new_figure


@dataclass(frozen=True)
class Panel:
    """Lines over one axis of `x`, by their names."""

    title: str
    x_name: str
    y_name: str
    x: Sequence[float]
    lines: Mapping[str, Sequence[float]]
    top: float | None = None
    """Where the drawing ends, for lines that go on to infinity."""
    scale: str = "linear"
    """Matplotlib's, of the values: `linear` or `log`."""


def functions(panels: Sequence[Panel], title: str) -> Figure:
    """A panel each, side by side; lines of one name have one colour in all of them."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    palette = SERIES if len(names) <= len(SERIES) else sns.color_palette("tab10", len(names))
    colours = dict(zip(names, palette, strict=False))
    figure = new_figure(5.6 * len(panels) + 0.8, 4.6, title)
    for place, panel in enumerate(panels, start=1):
        axes = new_axes(figure, len(panels), place)
        for name, values in panel.lines.items():
            axes.plot(panel.x, np.asarray(values), color=colours[name], linewidth=1.8, label=name)
        axes.set_title(panel.title, fontsize=11)
        axes.set_xlabel(panel.x_name)
        axes.set_ylabel(panel.y_name)
        axes.set_yscale(panel.scale)
        axes.set_ylim(top=panel.top)
        axes.legend(frameon=False)
    return figure
