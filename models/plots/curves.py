"""Figures of merit over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from models.plots.style import SERIES, new_axes, new_figure


def curves(
    panels: Mapping[str, Mapping[str, Sequence[float]]], title: str, *, scale: str = "linear"
) -> Figure:
    """A panel for each figure of merit, a line for each part of the data: one value per epoch.

    `scale` is matplotlib's, of the values: `linear` or `log`.
    """
    figure = new_figure(4.8 * len(panels) + (3.2 if len(panels) == 1 else 1.2), 4.4, title)
    for place, (name, lines) in enumerate(panels.items(), start=1):
        axes = new_axes(figure, len(panels), place)
        for colour, (part, values) in zip(SERIES, lines.items(), strict=False):
            epochs = np.arange(1, len(values) + 1)
            marker = "o" if len(values) < 3 else None
            axes.plot(
                epochs, values, color=colour, linewidth=1.8, marker=marker, label=part.capitalize()
            )
        axes.set_xlabel("Epoch")
        axes.set_ylabel(name)
        axes.set_yscale(scale)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        rises = any(values[-1] > values[0] for values in lines.values())
        axes.legend(frameon=False, loc="lower right" if rises else "upper right")
    return figure
