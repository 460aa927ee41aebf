"""From events to curves, without a browser."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard import charts
from dashboard.curves import MOST_POINTS, Curves, order, place
from torchkiln.types import Event


def event(number: int, kind: str, **data: Any) -> Event:
    return {
        "id": number,
        "created_at": "2026-01-01T00:00:00Z",
        "type": kind,  # pyright: ignore[reportReturnType]
        "level": "info",
        "message": "",
        "data": data,
    }


def run(curves: Curves, attempt: int, epochs: range) -> None:
    curves.add(event(0, "status", status="running", attempt=attempt))
    for epoch in epochs:
        values = {"train_loss": 1 / epoch, "test_loss": 2 / epoch, "lr": 0.1}
        assert curves.add(event(epoch, "metrics", epoch=epoch, values=values))


@pytest.mark.parametrize(
    ("metric", "chart", "label"),
    [
        ("train_loss", "loss", "train"),
        ("test_accuracy", "accuracy", "test"),
        ("sgd_train_loss", "loss", "sgd train"),
        ("sgd_lr", "lr", "sgd"),
        ("lr", "lr", "lr"),
        ("grad_norm", "grad_norm", "grad_norm"),
    ],
)
def test_each_metric_has_its_chart(metric: str, chart: str, label: str) -> None:
    assert place(metric) == (chart, label)


def test_losses_come_first_and_the_rate_last() -> None:
    assert sorted(["lr", "r2", "accuracy", "loss"], key=order) == ["loss", "accuracy", "r2", "lr"]


def test_a_resumed_attempt_goes_on_on_the_same_axis() -> None:
    curves = Curves()
    run(curves, 1, range(1, 6))
    run(curves, 2, range(4, 9))
    assert curves.restarts == {2: 4.0}
    assert curves.charts["loss"][2].points[0] == curves.charts["loss"][0].points[2] == (3, 1 / 3)
    drawn = charts.options("loss", curves)
    assert [line["name"] for line in drawn["series"]] == ["train", "test", "train", "test"]
    assert drawn["series"][0]["color"] == drawn["series"][2]["color"]
    assert drawn["series"][0]["lineStyle"]["opacity"] < drawn["series"][2]["lineStyle"]["opacity"]
    assert drawn["series"][0]["markLine"]["data"] == [{"name": "attempt 2", "xAxis": 4.0}]
    assert curves.latest("loss") == "loss at epoch 8: train 0.125, test 0.25"


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    curves = Curves()
    run(curves, 1, range(1, 10 * MOST_POINTS + 4))
    points = curves.charts["loss"][0].thinned()
    assert len(points) <= MOST_POINTS
    assert points[0][0] == 1
    assert points[-1][0] == 10 * MOST_POINTS + 3
    assert points == sorted(points)


def test_figures_that_are_no_numbers_are_left_out() -> None:
    """A loss that is not finite comes as null, because JSON has no word for it."""
    curves = Curves()
    curves.add(event(1, "metrics", epoch=1, values={"train_loss": None, "test_loss": 1.0}))
    assert [curve.label for curve in curves.charts["loss"]] == ["test"]
