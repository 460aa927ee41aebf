"""What a layer makes of one row: the tutorial's section 10.5."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.plots.style import INK, new_figure

COLUMNS = 4
MAPS = 16
"""Drawn at most, as in the tutorial."""


def feature_maps(maps: NDArray[np.float32], title: str) -> Figure:
    """(channels, h, w), each in its own range; (features,) as one square of them, row by row."""
    shown = maps[:MAPS] if maps.ndim == 3 else _square(maps)[None]
    lines = -(-len(shown) // COLUMNS)
    figure = new_figure(8.6, 0.8 + 2.0 * lines, title)
    for place, values in enumerate(shown):
        axes = figure.add_subplot(lines, min(COLUMNS, len(shown)), place + 1)
        axes.imshow(values, cmap="viridis")
        axes.set_title(f"Channel {place}" if maps.ndim == 3 else "Features", fontsize=10, color=INK)
        axes.set_axis_off()
    return figure


def _square(features: NDArray[np.float32]) -> NDArray[np.float32]:
    side = math.ceil(math.sqrt(len(features)))
    return np.pad(features, (0, side * side - len(features))).reshape(side, side)
