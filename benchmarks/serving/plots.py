"""The results as pictures."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.serving.plan import MOST, PINNED
from benchmarks.serving.results import CLOSED, OPEN, Case, Results
from benchmarks.serving.servers import OWN, SERVERS, YARDSTICK
from benchmarks.serving.tables import cases, few

COLOURS = {OWN: "tab:orange", YARDSTICK: "tab:gray"}
PEER = "tab:blue"
MARKS = {"p50_ms": "o", "p99_ms": "s", "p999_ms": "^"}
TITLES = {"p50_ms": "p50", "p99_ms": "p99", "p999_ms": "p99.9"}
DPI = 110
LEAST = 10
"""Requests a second at the left end of a logarithmic axis, which has no zero."""


def draw_throughput(results: Results, model: str, file: Path) -> bool:
    """Requests a second of every server with most connections, on a logarithmic scale. → whether
    there was anything to draw."""
    found = cases(results, PINNED, model, CLOSED, MOST)
    if not found:
        return False
    figure = Figure(figsize=(8, 1 + 0.3 * len(found)), layout="constrained")
    axes = figure.subplots()
    values = [results.median(case, "requests_per_s") or 0.0 for case in found]
    bars = axes.barh(
        [_label(case) for case in found],
        values,
        color=[COLOURS.get(case.server, PEER) for case in found],
    )
    axes.bar_label(bars, labels=[f"{value:,.0f}" for value in values], padding=3, fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(LEAST, 2.5 * max(values))
    axes.invert_yaxis()
    axes.set_xlabel(f"requests/s at {MOST} connections, one core")
    figure.savefig(file, dpi=DPI)
    return True


def draw_tails(results: Results, model: str, file: Path) -> bool:
    """Percentiles of the open loop. → whether there was anything to draw."""
    found = cases(results, PINNED, model, OPEN, MOST)
    if not found:
        return False
    figure = Figure(figsize=(8, 1 + 0.3 * len(found)), layout="constrained")
    axes = figure.subplots()
    for name, mark in MARKS.items():
        values = [_percentile(results, case, name) for case in found]
        axes.plot(values, [_label(case) for case in found], mark, label=TITLES[name])
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("ms from the moment a request was due, at half of the closed loop's rate")
    axes.legend()
    figure.savefig(file, dpi=DPI)
    return True


def _percentile(results: Results, case: Case, name: str) -> float:
    """Not a number, and so not drawn, where there were too few requests for it."""
    value = None if name == "p999_ms" and few(results, case) else results.median(case, name)
    return math.nan if value is None else value


def _label(case: Case) -> str:
    return f"{SERVERS[case.server].title}, {case.wire}"
