"""What all plots share: colours, a figure without pyplot's state, quiet axes."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

DPI = 120
INK, QUIET, RULE = "#1f2933", "#52606d", "#d9dee4"
BLUE, ORANGE, GREEN = "#2563a8", "#d9622b", "#2f855a"
SERIES = (BLUE, ORANGE, GREEN)
DIVERGING = LinearSegmentedColormap.from_list("blue-orange", [BLUE, "#f7f7f5", ORANGE])
SEQUENTIAL = LinearSegmentedColormap.from_list("white-blue", ["#ffffff", "#8fb7dd", "#123f73"])


def new_figure(width: float, height: float, title: str) -> Figure:
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout, facecolor="white")
    figure.suptitle(title, fontsize=14, color=INK)
    return figure


def new_axes(figure: Figure, columns: int = 1, place: int = 1) -> Axes:
    axes = figure.add_subplot(1, columns, place)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(color=RULE, labelcolor=QUIET)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(visible=True, color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    return axes
