"""What a regression has learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from models.plots.style import BLUE, ORANGE, QUIET, RULE, new_axes, new_figure


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


def predictions(
    actual: Sequence[float], predicted: Sequence[float], target: str, title: str
) -> Figure:
    """Predicted against actual values of `target`, a point each, beside the line of equality."""
    figure = new_figure(6.8, 6.0, title)
    axes = new_axes(figure)
    ends = [min(actual), max(actual)]
    axes.scatter(actual, predicted, s=18, color=BLUE, alpha=0.5, edgecolors="none", label="Row")
    axes.plot(ends, ends, color=ORANGE, linewidth=1.6, linestyle="--", label="Equal")
    axes.set_xlabel(f"Actual {target}")
    axes.set_ylabel(f"Predicted {target}")
    axes.legend(frameon=False, loc="upper left")
    return figure
