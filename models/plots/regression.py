"""What a regression has learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from models.plots.style import BLUE, QUIET, RULE, new_axes, new_figure


def compared_weights(learned: Sequence[float], true: Sequence[float], title: str) -> Figure:
    """Learned against true weights, feature by feature."""
    figure = new_figure(8.0, 4.4, title)
    axes = new_axes(figure)
    places = np.arange(len(true))
    axes.bar(places - 0.2, true, width=0.36, color=RULE, edgecolor=QUIET, label="True")
    axes.bar(places + 0.2, learned, width=0.36, color=BLUE, label="Learned")
    axes.axhline(0, color=QUIET, linewidth=0.8)
    axes.set_xticks(places, [f"w{place + 1}" for place in places])
    axes.set_ylabel("Weight")
    axes.grid(visible=False, axis="x")
    axes.legend(frameon=False)
    return figure
