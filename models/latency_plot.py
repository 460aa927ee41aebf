"""The picture of a benchmark: latency by backend and batch size, with intervals, as a PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from models.lazy import lazy

if TYPE_CHECKING:
    from matplotlib import figure as figures
    from matplotlib import ticker
    from matplotlib.axes import Axes
else:
    figures = lazy("matplotlib.figure")
    ticker = lazy("matplotlib.ticker")

SPREAD = 0.5
"""Share of a batch size's place on the axis that its backends are spread over."""


def draw(results: Sequence[Mapping[str, Any]], environment: Mapping[str, Any]) -> bytes:
    """A PNG of `latency.measure`'s rows: the mean with its 95 % interval, and the median, in
    milliseconds on a logarithmic axis; hardware, versions and date below."""
    figure = figures.Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    sizes = sorted({row["batch_size"] for row in results})
    names = list(dict.fromkeys(row["backend"] for row in results))
    for position, name in enumerate(names):
        rows = {row["batch_size"]: row for row in results if row["backend"] == name}
        offset = (position - (len(names) - 1) / 2) * SPREAD / len(names)
        places = [sizes.index(size) + offset for size in rows]
        _points(axes, name, places, list(rows.values()))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_ylabel("latency of one batch, ms")
    axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    axes.set_xlabel("batch size, rows")
    axes.set_title("Latency by backend: ● mean with 95 % interval, ◇ median")
    axes.grid(axis="y", alpha=0.25)
    axes.legend()
    figure.supxlabel(_caption(environment), fontsize=7)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=120)
    return png.getvalue()


def _points(
    axes: Axes, name: str, places: Sequence[float], rows: Sequence[Mapping[str, Any]]
) -> None:
    means = np.array([row["mean_ms"] for row in rows])
    intervals = np.array([row["ci95_ms"] for row in rows])
    reach = np.array([means - intervals[:, 0], intervals[:, 1] - means])
    drawn = axes.errorbar(places, means, yerr=reach, fmt="o", markersize=5, capsize=5, label=name)
    medians = [row["p50_ms"] for row in rows]
    axes.plot(places, medians, "D", color=drawn[0].get_color(), fillstyle="none", markersize=8)


def _caption(environment: Mapping[str, Any]) -> str:
    threads = environment["threads"] or "default"
    versions = ", ".join(f"{name} {number}" for name, number in environment["versions"].items())
    return (
        f"{environment['cpu_model']}, {environment['cores']} cores, threads: {threads}; "
        f"{versions}; {environment['date']}"
    )
