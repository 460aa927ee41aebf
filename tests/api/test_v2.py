"""The Open Inference Protocol by plain HTTP."""

from __future__ import annotations

import httpx
import pytest

from services.container import Container
from tests.api.conftest import Api
from tests.support.published import add_version


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_tells_its_name_and_extensions(shared: Api, path: str) -> None:
    response = shared.client.get(path)
    assert response.status_code == 200
    assert response.json()["name"] == "torchkiln"
    assert "binary_tensor_data" in response.json()["extensions"]


def test_health(shared: Api) -> None:
    assert shared.client.get("/v2/health/live").json() == {"live": True}
    assert shared.client.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("version", ["", "/versions/1", "/versions/champion"])
def test_a_model_tells_what_it_takes(shared: Api, version: str) -> None:
    base = f"/v2/models/image{version}"
    metadata = shared.client.get(base).json()
    assert (metadata["name"], metadata["versions"]) == ("image", ["1"])
    assert metadata["inputs"] == [{"name": "images", "datatype": "FP32", "shape": [-1, 1, 8, 8]}]
    assert metadata["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}]
    assert metadata["platform"]
    assert shared.client.get(f"{base}/ready").json() == {"name": "image", "ready": True}
    config = shared.client.get(f"{base}/config").json()
    assert config["input"] == [{"name": "images", "data_type": "TYPE_FP32", "dims": [1, 8, 8]}]
    assert config["max_batch_size"] > 0
    (stats,) = shared.client.get(f"{base}/stats").json()["model_stats"]
    assert (stats["name"], stats["version"]) == ("image", "1")
    assert set(stats["inference_stats"]) >= {
        *("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
    }


@pytest.mark.parametrize("part", ["", "/ready", "/config", "/stats", "/infer"])
@pytest.mark.parametrize("model", ["nope", "image/versions/9", "nope/versions/1"])
def test_what_is_not_there_is_a_404_with_an_error(shared: Api, model: str, part: str) -> None:
    method = "POST" if part == "/infer" else "GET"
    response = shared.client.request(method, f"/v2/models/{model}{part}", content=b"{}")
    assert response.status_code == 404
    assert list(response.json()) == ["error"]


def test_the_repository_lists_every_version(client: httpx.Client, container: Container) -> None:
    add_version(container, "binary", name="m")
    add_version(container, "binary", name="m", backends={"eager": {"status": "rejected"}})
    client.post("/v2/repository/models/m/load")  # which waits until it is loaded
    rejected = {
        "name": "m",
        "version": "2",
        "state": "UNAVAILABLE",
        "reason": "no backend is certified",
    }
    ready = {"name": "m", "version": "1", "state": "READY", "reason": ""}
    for body in (b"", b"{}", b'{"ready": false}'):
        assert client.post("/v2/repository/index", content=body).json() == [ready, rejected]
    assert client.post("/v2/repository/index", content=b'{"ready": true}').json() == [ready]
    assert client.get("/v2/models/m/versions/2/ready").status_code == 503
    for body in (b"[]", b"{", b'{"ready": 1}', b'{"nope": true}'):
        response = client.post("/v2/repository/index", content=body)
        assert (response.status_code, list(response.json())) == (400, ["error"])


def test_a_model_is_unloaded_and_loaded(client: httpx.Client, container: Container) -> None:
    add_version(container, "binary", name="m")
    row = {"name": "features", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}

    def ask() -> httpx.Response:
        return client.post("/v2/models/m/infer", json={"inputs": [row]})

    assert ask().status_code == 200
    response = client.post("/v2/repository/models/m/unload", json={"parameters": {}})
    assert response.status_code == 200
    assert client.get("/v2/models/m/ready").status_code == 503
    refused = ask()
    assert (refused.status_code, "unloaded" in refused.json()["error"]) == (400, True)
    v1 = client.post("/v1/models/m/predict", json={"inputs": [[1, 2]]})
    assert (v1.status_code, v1.json()["code"]) == (409, "model_unloaded")
    assert client.post("/v2/repository/models/m/load").status_code == 200
    assert ask().status_code == 200
    for verb in ("load", "unload"):
        missing = client.post(f"/v2/repository/models/nope/{verb}")
        assert (missing.status_code, list(missing.json())) == (404, ["error"])
        wrong = client.post(f"/v2/repository/models/m/{verb}", json={"parameters": 1})
        assert wrong.status_code == 400
    config = client.post("/v2/repository/models/m/load", json={"parameters": {"config": "{}"}})
    assert config.status_code == 501


def test_statistics_count_what_was_answered(client: httpx.Client, container: Container) -> None:
    add_version(container, "binary", name="m")
    row = {"name": "features", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]}
    for _ in range(3):
        client.post("/v2/models/m/infer", json={"inputs": [row]})
    for path in ("/v2/models/m/stats", "/v2/models/m/versions/1/stats", "/v2/models/stats"):
        (stats,) = client.get(path).json()["model_stats"]
        assert (stats["inference_count"], stats["execution_count"]) == (6, 3)
        assert stats["inference_stats"]["success"]["count"] == 3
        assert stats["inference_stats"]["compute_infer"]["ns"] > 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "systemsharedmemory/status"),
        ("GET", "systemsharedmemory/region/r/status"),
        ("POST", "systemsharedmemory/region/r/register"),
        ("POST", "systemsharedmemory/unregister"),
        ("GET", "cudasharedmemory/status"),
        ("POST", "cudasharedmemory/region/r/register"),
        ("GET", "trace/setting"),
        ("POST", "trace/setting"),
        ("GET", "models/image/trace/setting"),
        ("POST", "models/image/trace/setting"),
        ("GET", "logging"),
        ("POST", "logging"),
    ],
)
def test_what_is_not_there_on_purpose_is_a_501(shared: Api, method: str, path: str) -> None:
    response = shared.client.request(method, f"/v2/{path}", content=b"{}")
    assert response.status_code == 501
    assert "not supported" in response.json()["error"]
