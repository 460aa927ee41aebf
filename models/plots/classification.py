"""What a classifier tells apart, and what it confuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.plots.style import (
    BLUE,
    DIVERGING,
    INK,
    ORANGE,
    QUIET,
    RULE,
    SEQUENTIAL,
    new_axes,
    new_figure,
)

LARGEST = 24.0
"""Inches of a side; what has more classes than it can hold is drawn without its counts."""

LABELS = 40
"""Classes named on each axis; of more, every second or third one."""

SHORT = 7
"""Letters of a name that fit beside the next one's."""


def decision_boundary(
    grid: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    points: NDArray[Any],
    labels: NDArray[Any],
    names: tuple[Sequence[str], Sequence[str]],
    title: str,
) -> Figure:
    """The probability of class 1 over the plane, and the points (n, 2) by class.

    `grid`: x (k), y (m) and the probabilities (m, k); `names`: of the two features and classes.
    """
    features, classes = names
    figure = new_figure(8.0, 6.2, title)
    axes = new_axes(figure)
    axes.grid(visible=False)
    levels = np.linspace(0, 1, 11)
    shades = axes.contourf(*grid, levels=levels, cmap=DIVERGING, alpha=0.75)
    axes.contour(*grid, levels=[0.5], colors=INK, linewidths=1.4)
    for code, (colour, marker) in enumerate(((BLUE, "o"), (ORANGE, "s"))):
        chosen = points[labels == code]
        axes.scatter(
            chosen[:, 0],
            chosen[:, 1],
            s=18,
            c=colour,
            marker=marker,
            edgecolors="white",
            linewidths=0.5,
            label=classes[code],
        )
    axes.set_xlabel(features[0])
    axes.set_ylabel(features[1])
    axes.legend(title="Class", frameon=True, framealpha=0.9, edgecolor=RULE)
    bar = figure.colorbar(shades, ax=axes, ticks=levels[::2])
    bar.outline.set_visible(False)
    bar.set_label(f"Probability of “{classes[1]}”")
    return figure


def roc(false: NDArray[Any], true: NDArray[Any], label: str, title: str) -> Figure:
    """True against false positive rates, each from 0 to 1, beside the diagonal of a guess."""
    figure = new_figure(6.2, 5.6, title)
    axes = new_axes(figure)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1.0, linestyle="--", label="Guessing")
    axes.plot(false, true, color=BLUE, linewidth=1.8, label=label)
    axes.set_xlabel("False positive rate")
    axes.set_ylabel("True positive rate")
    axes.set_aspect("equal")
    axes.legend(frameon=False, loc="lower right")
    return figure


def confusion(matrix: NDArray[np.int64], classes: Sequence[str], title: str) -> Figure:
    """Counts by actual (down) and predicted (across) class.

    Shaded by the share of the actual class, so that a rare class shows its errors too.
    """
    side = min(max(5.0, 1.6 + 0.62 * len(classes)), LARGEST)
    figure = new_figure(side + 1.2, side, title)
    axes = figure.add_subplot()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    sns.heatmap(
        share,
        annot=np.where(matrix > 0, matrix.astype(str), "") if side < LARGEST else None,
        fmt="",
        cmap=SEQUENTIAL,
        vmin=0,
        vmax=1,
        square=True,
        linewidths=0.6,
        linecolor=RULE,
        xticklabels=False,
        yticklabels=False,
        cbar_kws={"label": "Share of the actual class", "shrink": 0.8},
        ax=axes,
    )
    # By hand: seaborn looks for labels that overlap, in a second for every ten of them.
    named = range(0, len(classes), 1 + len(classes) // LABELS)
    names, places = [classes[code] for code in named], [code + 0.5 for code in named]
    axes.set_xticks(places, names, rotation=90 if max(map(len, names)) > SHORT else 0)
    axes.set_yticks(places, names, rotation=0)
    axes.set_xlabel("Predicted", color=INK)
    axes.set_ylabel("Actual", color=INK)
    axes.tick_params(length=0)
    return figure
