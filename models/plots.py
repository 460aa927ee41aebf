"""The tutorial's plots as matplotlib figures, drawn without a display and without pyplot's state.

Each function takes plain numbers and gives a `Figure`; `models.artifacts` writes it. Imported only
when a run has something to draw, because matplotlib takes half a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

DPI = 120
INK, QUIET, RULE = "#1f2933", "#52606d", "#d9dee4"
BLUE, ORANGE, GREEN = "#2563a8", "#d9622b", "#2f855a"
SERIES = (BLUE, ORANGE, GREEN)
DIVERGING = LinearSegmentedColormap.from_list("blue-orange", [BLUE, "#f7f7f5", ORANGE])
SEQUENTIAL = LinearSegmentedColormap.from_list("white-blue", ["#ffffff", "#8fb7dd", "#123f73"])

Pixels = NDArray[np.float32]


def curves(
    panels: Mapping[str, Mapping[str, Sequence[float]]], title: str, *, scale: str = "linear"
) -> Figure:
    """A panel for each figure of merit, a line for each part of the data: one value per epoch.

    `scale` is matplotlib's, of the values: `linear` or `log`.
    """
    figure = _figure(4.8 * len(panels) + (3.2 if len(panels) == 1 else 1.2), 4.4, title)
    for place, (name, lines) in enumerate(panels.items(), start=1):
        axes = _axes(figure, len(panels), place)
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


def compared_weights(learned: Sequence[float], true: Sequence[float], title: str) -> Figure:
    """Learned against true weights, feature by feature."""
    figure = _figure(8.0, 4.4, title)
    axes = _axes(figure)
    places = np.arange(len(true))
    axes.bar(places - 0.2, true, width=0.36, color=RULE, edgecolor=QUIET, label="True")
    axes.bar(places + 0.2, learned, width=0.36, color=BLUE, label="Learned")
    axes.axhline(0, color=QUIET, linewidth=0.8)
    axes.set_xticks(places, [f"w{place + 1}" for place in places])
    axes.set_ylabel("Weight")
    axes.grid(visible=False, axis="x")
    axes.legend(frameon=False)
    return figure


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
    figure = _figure(8.0, 6.2, title)
    axes = _axes(figure)
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


def images(rows: Sequence[tuple[Pixels, str]], title: str, *, empty: str = "") -> Figure:
    """Pixels (channels, h, w) in [0, 1] with a caption each, five in a line.

    `empty` is what to say where there are no rows.
    """
    lines = max(1, -(-len(rows) // 5))
    figure = _figure(8.6, 0.6 + 2.0 * lines, title)
    if not rows:
        figure.text(0.5, 0.45, empty, ha="center", color=QUIET, fontsize=13)
    for place, (pixels, caption) in enumerate(rows, start=1):
        axes = figure.add_subplot(lines, 5, place)
        axes.imshow(np.moveaxis(pixels, 0, -1), cmap="gray", vmin=0, vmax=1)
        axes.set_title(caption, fontsize=10.5, color=INK)
        axes.set_axis_off()
    return figure


def confusion(matrix: NDArray[np.int64], classes: Sequence[str], title: str) -> Figure:
    """Counts by actual (down) and predicted (across) class.

    Shaded by the share of the actual class, so that a rare class shows its errors too.
    """
    side = max(5.0, 1.6 + 0.62 * len(classes))
    figure = _figure(side + 1.2, side, title)
    axes = figure.add_subplot()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    sns.heatmap(
        share,
        annot=np.where(matrix > 0, matrix.astype(str), ""),
        fmt="",
        cmap=SEQUENTIAL,
        vmin=0,
        vmax=1,
        square=True,
        linewidths=0.6,
        linecolor=RULE,
        xticklabels=list(classes),
        yticklabels=list(classes),
        cbar_kws={"label": "Share of the actual class", "shrink": 0.8},
        ax=axes,
    )
    axes.set_xlabel("Predicted", color=INK)
    axes.set_ylabel("Actual", color=INK)
    axes.tick_params(length=0, labelrotation=0)
    return figure


def _figure(width: float, height: float, title: str) -> Figure:
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout, facecolor="white")
    figure.suptitle(title, fontsize=14, color=INK)
    return figure


def _axes(figure: Figure, columns: int = 1, place: int = 1) -> Axes:
    axes = figure.add_subplot(1, columns, place)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(color=RULE, labelcolor=QUIET)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(visible=True, color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    return axes
