"""Where a net puts rows: a plane of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.plots.style import new_axes, new_figure

NAMED = 20
"""Classes that a legend can tell apart."""


def embedding_map(
    points: NDArray[Any],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    axis_names: tuple[str, str],
    title: str,
) -> Figure:
    """Points (n, 2) by class."""
    figure = new_figure(8.4, 6.4, title)
    axes = new_axes(figure)
    colours = sns.color_palette("tab10" if len(classes) <= 10 else "husl", len(classes))
    for code, (name, colour) in enumerate(zip(classes, colours, strict=True)):
        chosen = points[labels == code]
        axes.scatter(chosen[:, 0], chosen[:, 1], s=16, color=colour, linewidths=0, label=name)
    axes.set_xlabel(axis_names[0])
    axes.set_ylabel(axis_names[1])
    axes.set_aspect("equal", adjustable="datalim")
    if len(classes) <= NAMED:
        axes.legend(title="Class", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
