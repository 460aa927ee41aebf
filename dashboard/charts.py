"""Curves as ECharts draws them."""

from __future__ import annotations

from typing import Any

from dashboard.curves import Curve, Curves

COLORS = ("#3b6fd4", "#e07b39", "#2e9e73", "#b0569e", "#8a7a2f", "#c94f4f")
TITLES = {"lr": "learning rate"}


def options(chart: str, curves: Curves) -> dict[str, Any]:
    """One chart: a colour for each metric, the attempts on one axis."""
    series = curves.charts[chart]
    labels = list(dict.fromkeys(curve.label for curve in series))
    last = max(curve.attempt for curve in series)
    lines = [_line(curve, labels.index(curve.label), last) for curve in series]
    lines[0]["markLine"] = _marks(curves)
    return {
        "animation": False,
        "color": COLORS,
        "grid": {"left": 52, "right": 18, "top": 44, "bottom": 40},
        "legend": {"top": 4, "left": 0, "icon": "roundRect", "data": labels, "type": "scroll"},
        "tooltip": {"trigger": "axis", "confine": True, "renderMode": "richText"},
        "xAxis": {
            "type": "value",
            "name": "epoch",
            "nameLocation": "middle",
            "nameGap": 24,
            "min": "dataMin",
            "max": "dataMax",
            "minInterval": 1,
            "splitLine": {"show": False},
        },
        "yAxis": {"type": "value", "scale": True, "splitLine": {"lineStyle": {"opacity": 0.35}}},
        "series": lines,
    }


def _line(curve: Curve, index: int, last: int) -> dict[str, Any]:
    """What a later attempt has repeated stays to be seen, paler."""
    return {
        "name": curve.label,
        "type": "line",
        "data": curve.thinned(),
        "color": COLORS[index % len(COLORS)],
        "showSymbol": len(curve.points) < 2,
        "lineStyle": {"width": 2, "opacity": 1.0 if curve.attempt == last else 0.45},
    }


def _marks(curves: Curves) -> dict[str, Any]:
    """A dashed line where each later attempt went on."""
    return {
        "symbol": "none",
        "silent": True,
        "lineStyle": {"type": "dashed", "color": "#8b949e"},
        "label": {"formatter": "{b}", "position": "insideEndTop"},
        "data": [
            {"name": f"attempt {attempt}", "xAxis": epoch}
            for attempt, epoch in curves.restarts.items()
        ],
    }
