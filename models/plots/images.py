"""Pictures with captions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.plots.style import INK, QUIET, new_figure

Pixels = NDArray[np.float32]


def images(rows: Sequence[tuple[Pixels, str]], title: str, *, empty: str = "") -> Figure:
    """Pixels (channels, h, w) in [0, 1] with a caption each, five in a line.

    `empty` is what to say where there are no rows.
    """
    lines = max(1, -(-len(rows) // 5))
    figure = new_figure(8.6, 0.6 + 2.0 * lines, title)
    if not rows:
        figure.text(0.5, 0.45, empty, ha="center", color=QUIET, fontsize=13)
    for place, (pixels, caption) in enumerate(rows, start=1):
        axes = figure.add_subplot(lines, 5, place)
        axes.imshow(np.moveaxis(pixels, 0, -1), cmap="gray", vmin=0, vmax=1)
        axes.set_title(caption, fontsize=10.5, color=INK)
        axes.set_axis_off()
    return figure
