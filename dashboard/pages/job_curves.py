"""The charts of a job, which grow as its events come."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from dashboard import charts
from dashboard.curves import Curves, order
from dashboard.view import card, empty
from torchkiln.types import Event


class JobCurves:
    def __init__(self) -> None:
        self._curves = Curves()
        self._charts: dict[str, ui.echart] = {}
        self._empty = empty("Curves appear with the first epoch.")
        self._place = ui.element().classes("charts")

    def take(self, events: Sequence[Event]) -> None:
        grown = [self._curves.add(event) for event in events]
        if not any(grown):
            return
        self._empty.visible = False
        if missing := self._curves.charts.keys() - self._charts.keys():
            for chart in sorted(missing, key=order):
                self._add(chart)
        for chart, element in self._charts.items():
            element.options.clear()
            element.options.update(charts.options(chart, self._curves))
            # What a screen reader says in the picture's place.
            element.props["aria-label"] = self._curves.latest(chart)
            element.update()

    def _add(self, chart: str) -> None:
        with self._place, card(charts.TITLES.get(chart, chart.replace("_", " "))):
            element = ui.echart({}, renderer="svg").classes("chart").props("role=img")
            element.props["data-chart"] = chart
        self._charts[chart] = element
