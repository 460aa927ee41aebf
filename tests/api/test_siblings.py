"""The figures of several API processes that share a port, whichever of them is asked."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.figures import Figures
from api.http_stats import RouteKey, RouteStats
from services.serving.cache import Key
from services.serving.stats import PredictionStats, Timing
from tests.api.conftest import Api, registry, served
from tests.support.factors import add_factor

BODY = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}
PREDICTIONS = "torchkiln_predictions_total{"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Api]]:
    with registry(tmp_path_factory.mktemp("two")) as container:
        add_factor(container, 2.0)
        with served(container) as one, served(container) as other:
            yield one, other


def counted(api: Api, start: str) -> float:
    lines = api.client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))


def test_each_tells_of_all(two: tuple[Api, Api]) -> None:
    for api, times in zip(two, (3, 2), strict=True):
        for _ in range(times):
            assert api.client.post("/v2/models/m/infer", json=BODY).status_code == 200
    for api in two:
        assert counted(api, PREDICTIONS) == 5
        assert counted(api, "torchkiln_prediction_duration_seconds_count") == 5
        assert counted(api, "torchkiln_models_loaded") == 2
        assert counted(api, "torchkiln_api_processes") == 2


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "stuck"])
def test_one_that_does_not_answer_is_left_out(two: tuple[Api, Api], *, killed: bool) -> None:
    siblings = two[0].state.siblings
    path: Path = siblings._path.with_name("1-killed.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        if not killed:
            listener.listen()  # takes connections, and says nothing
        assert siblings.all().processes == 2
    assert path.exists() != killed, "what is left of a killed one is removed"
    path.unlink(missing_ok=True)


def test_figures_survive_being_sent_and_add_up() -> None:
    stats = PredictionStats()
    stats.succeeded(Timing(), rows=3)
    stats.ran(3, 1000)
    key, route = Key("m", 1, "eager"), RouteKey("GET", "/x", 200)
    figures = Figures(1, {route: RouteStats(2, 0.5, [1, 1])}, {key: stats}, 1, 10)
    sent = Figures.from_bytes(figures.to_bytes())
    assert sent == figures
    both = figures + sent
    assert (both.processes, both.models_bytes) == (2, 20)
    assert both.routes[route] == RouteStats(4, 1.0, [2, 2])
    assert (both.predictions[key].rows, both.predictions[key].batches) == (6, {3: (2, 2000)})
    assert figures.predictions[key].rows == 3, "adding changes neither"
