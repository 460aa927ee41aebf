from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.container import Container
from tests.services import factories
from tests.services.conftest import RecordingQueue
from tests.support.published import add_benchmark


@pytest.fixture(autouse=True)
def model(container: Container) -> None:
    factories.published(container, model="m")


def test_a_benchmark_is_accepted_with_its_defaults_and_a_worker_is_woken(
    client: httpx.Client, queue: RecordingQueue
) -> None:
    response = client.post("/v1/benchmarks", json={"model": "m"})
    assert response.status_code == 202
    benchmark = response.json()
    assert response.headers["Location"] == benchmark["urls"]["self"]
    assert benchmark["id"].startswith("bench_")
    assert (benchmark["object"], benchmark["status"]) == ("benchmark", "queued")
    assert (benchmark["model"], benchmark["version"]) == ("m", 1)
    assert benchmark["batch_sizes"] == [1, 8, 32]
    assert benchmark["backends"] == ["eager", "onnxruntime"]
    assert benchmark["results"] is None
    assert queue.woken[-1] == benchmark["id"]
    assert client.get(benchmark["urls"]["self"]).json() == benchmark
    missing = client.get(benchmark["urls"]["plot"])
    assert (missing.status_code, missing.json()["code"]) == (404, "plot_not_found")


@pytest.mark.parametrize("version", [1, "1", "champion"])
def test_a_version_is_a_number_or_an_alias(client: httpx.Client, version: int | str) -> None:
    body = {
        "model": "m",
        "version": version,
        "backends": ["eager"],
        "batch_sizes": [4],
        "threads": 1,
    }
    benchmark = client.post("/v1/benchmarks", json=body).json()
    assert (benchmark["version"], benchmark["backends"]) == (1, ["eager"])
    assert (benchmark["batch_sizes"], benchmark["threads"]) == ([4], 1)


def test_the_results_of_a_finished_one(client: httpx.Client, container: Container) -> None:
    benchmark_id = add_benchmark(container, "m", {"eager": 2.0, "onnxruntime": 1.0})
    benchmark = client.get(f"/v1/benchmarks/{benchmark_id}").json()
    assert benchmark["status"] == "succeeded"
    assert set(benchmark["results"][0]) == {
        *("backend", "batch_size", "mean_ms", "p50_ms", "p90_ms", "p99_ms", "rows_per_s"),
        *("ci95_ms", "runs", "max_abs_error"),
    }
    assert benchmark["winners"] == {"1": "onnxruntime"}
    assert benchmark["environment"]["machine_cores"] >= 1
    assert benchmark["finished_at"].endswith("Z")
    plot = client.get(benchmark["urls"]["plot"])
    assert (plot.content, plot.headers["content-type"]) == (b"\x89PNG a plot", "image/png")


def test_they_are_listed_newest_first(client: httpx.Client, container: Container) -> None:
    factories.published(container, model="other")
    ids = [
        client.post("/v1/benchmarks", json={"model": name}).json()["id"] for name in ("m", "other")
    ]
    assert [row["id"] for row in client.get("/v1/benchmarks").json()["data"]] == ids[::-1]
    only = client.get("/v1/benchmarks", params={"model": "m"}).json()["data"]
    assert [row["id"] for row in only] == ids[:1]
    page = client.get("/v1/benchmarks", params={"limit": 1}).json()
    assert page["has_more"]
    rest = client.get("/v1/benchmarks", params={"after": ids[1]}).json()["data"]
    assert [row["id"] for row in rest] == ids[:1]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid_request"),
        ({"model": "nope"}, 404, "model_not_found"),
        ({"model": "m", "version": "9"}, 404, "version_not_found"),
        ({"model": "m", "version": 2**70}, 422, "invalid_request"),
        ({"model": "m", "backends": ["tensorrt"]}, 422, "invalid_request"),
        ({"model": "m", "backends": []}, 422, "invalid_request"),
        ({"model": "m", "backends": ["torchscript"]}, 409, "not_certified"),
        ({"model": "m", "batch_sizes": []}, 422, "invalid_request"),
        ({"model": "m", "batch_sizes": [0]}, 422, "invalid_request"),
        ({"model": "m", "batch_sizes": [10**9]}, 422, "invalid_request"),
        ({"model": "m", "batch_sizes": [1.5]}, 422, "invalid_request"),
        ({"model": "m", "batch_sizes": list(range(1, 40))}, 422, "invalid_request"),
        ({"model": "m", "threads": 0}, 422, "invalid_request"),
        ({"model": "m", "min_time_s": 1e9}, 422, "invalid_request"),
        ({"model": "m", "nope": 1}, 422, "invalid_request"),
    ],
)
def test_a_wrong_benchmark_is_refused(
    client: httpx.Client, body: Any, status: int, code: str
) -> None:
    response = client.post("/v1/benchmarks", json=body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert client.get("/v1/benchmarks").json()["data"] == []


@pytest.mark.parametrize("path", ["bench_nope", "bench_nope/plot.png"])
def test_an_unknown_one_is_not_found(client: httpx.Client, path: str) -> None:
    response = client.get(f"/v1/benchmarks/{path}")
    assert (response.status_code, response.json()["code"]) == (404, "benchmark_not_found")
