"""What a segmentation says about pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.plots.style import BLUE, GREEN, INK, ORANGE, QUIET, new_figure

Pixels = NDArray[np.float32]

COLUMNS = ("Picture", "Truth", "Probability", "Prediction")
LEGEND = "Prediction: found in green, missed in orange, too much in blue"


def masks(rows: Sequence[tuple[Pixels, Pixels, Pixels, str]], title: str) -> Figure:
    """A line for each: pixels (channels, h, w) in [0, 1], true mask (h, w), probabilities (h, w)
    and a caption."""
    figure = new_figure(8.6, 1.0 + 2.1 * len(rows), title)
    for line, (pixels, truth, probabilities, caption) in enumerate(rows):
        colours = np.broadcast_to(np.moveaxis(pixels, 0, -1), (*truth.shape, 3))
        shown = (colours, truth, probabilities, _overlay(colours, truth, probabilities > 0.5))
        for column, image in enumerate(shown):
            axes = figure.add_subplot(len(rows), 4, 4 * line + column + 1)
            axes.imshow(image, cmap="gray", vmin=0, vmax=1)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if line == 0:
                axes.set_title(COLUMNS[column], fontsize=10.5, color=INK)
            if column == 0:
                axes.set_ylabel(caption, color=QUIET)
    figure.supxlabel(LEGEND, fontsize=9.5, color=QUIET)
    return figure


def _overlay(colours: Pixels, truth: Pixels, said: NDArray[np.bool_]) -> Pixels:
    """The picture, tinted by what was found, missed, and found without being there."""
    true, tinted = truth > 0.5, np.array(colours)
    for where, colour in ((true & said, GREEN), (true & ~said, ORANGE), (~true & said, BLUE)):
        tinted[where] = 0.35 * tinted[where] + 0.65 * np.asarray(to_rgb(colour), np.float32)
    return tinted
