"""The figures of several API processes that share a port, whichever of them is asked."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.figures import Figures
from api.http_stats import RouteKey, RouteStats
from services.serving.key import Key
from services.serving.stats import PredictionStats, Timing
from tests.api.conftest import (
    ROOT,
    Api,
    environment,
    free_port,
    registry,
    served,
    wait_for,
)
from tests.support.factors import add_factor
from tests.workers.waiting import wait_for as until

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
        for histogram in ("prediction_duration_seconds", "inference_queue_seconds"):
            assert counted(api, f"torchkiln_{histogram}_count") == 5
            assert counted(api, f'torchkiln_{histogram}_bucket{{backend="onnxruntime",le="+') == 5
        # One after the other, each is a batch.
        for histogram in ("inference_compute_seconds", "inference_batch_rows"):
            assert counted(api, f"torchkiln_{histogram}_count") == 5
        assert counted(api, "torchkiln_inference_batch_rows_sum") == 5
        assert counted(api, "torchkiln_inference_queue_depth") == 0
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
    figures = Figures(1, {route: RouteStats(2, 0.5, [1, 1])}, {key: stats}, 1, 10, {key: 3})
    sent = Figures.from_bytes(figures.to_bytes())
    assert sent == figures
    both = figures + sent
    assert (both.processes, both.models_bytes, both.waiting) == (2, 20, {key: 6})
    assert both.routes[route] == RouteStats(4, 1.0, [2, 2])
    assert (both.predictions[key].rows, both.predictions[key].batches) == (6, {3: (2, 2000)})
    assert figures.predictions[key].rows == 3, "adding changes neither"


def test_processes_of_one_port_are_told_of_as_one(tmp_path: Path) -> None:
    """Whichever of them the kernel gives a connection to."""
    with registry(tmp_path) as container:
        add_factor(container, 2.0)
    port = free_port()
    command, env = [sys.executable, "-m", "api"], environment(tmp_path, port)
    pair = [subprocess.Popen(command, cwd=ROOT, env=env) for _ in range(2)]
    url = f"http://127.0.0.1:{port}"
    try:
        for one in pair:
            wait_for(f"{url}/v2/health/ready", one)
        until(lambda: numbers(url, "torchkiln_api_processes") == [2], "both to be counted")
        for _ in range(40):  # each over a connection of its own
            assert httpx.post(f"{url}/v2/models/m/infer", json=BODY).status_code == 200
        for _ in range(4):
            assert sum(numbers(url, "torchkiln_inference_queue_seconds_count")) == 40
            assert sum(numbers(url, "torchkiln_inference_compute_seconds_count")) == 40
            assert sum(numbers(url, "torchkiln_prediction_duration_seconds_count")) == 40
            assert sum(numbers(url, "torchkiln_inference_batch_rows_sum")) == 40
    finally:
        for one in pair:
            one.terminate()
        for one in pair:
            one.wait(30)


def numbers(url: str, start: str) -> list[float]:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return [float(line.rpartition(" ")[2]) for line in lines if line.startswith(start)]
