"""The page says what was measured."""

from __future__ import annotations

from tests.chaos import report


def test_the_page_has_the_figures_of_the_file() -> None:
    page = report.PAGE.read_text()
    assert page == report.written(page), "run `python -m tests.chaos.report`"
