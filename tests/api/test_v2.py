"""The Open Inference Protocol by plain HTTP."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import httpx
import numpy as np
import pytest

from services.container import Container
from tests.api.conftest import Api
from tests.support.models import FunctionRunner
from tests.support.published import add_version, trained

ROW = {"name": "images", "datatype": "FP32", "shape": [1, 1, 8, 8], "data": [0.5] * 64}
BINARY = np.full((2, 1, 8, 8), 0.25, np.float32)


def packed(array: np.ndarray[Any, Any] = BINARY, **fields: Any) -> tuple[bytes, int]:
    """A binary request → its body, and the length of its JSON."""
    tensor = {
        "name": "images",
        "datatype": "FP32",
        "shape": list(array.shape),
        "parameters": {"binary_data_size": array.nbytes},
    }
    head = json.dumps({"inputs": [tensor], **fields}).encode()
    return head + array.tobytes(), len(head)


def infer(api: Api, path: str = "models/image", **request: Any) -> httpx.Response:
    return api.client.post(f"/v2/{path}/infer", **request)


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


def test_json_in_json_out(shared: Api) -> None:
    response = infer(shared, json={"id": "mine", "inputs": [ROW]})
    assert response.headers["content-type"] == "application/json"
    assert "inference-header-content-length" not in response.headers
    answer = response.json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("image", "1", "mine")
    assert answer["parameters"] == {"backend": "onnxruntime"}
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == (
        "probabilities",
        "FP32",
        [1, 3],
    )
    assert sum(output["data"]) == pytest.approx(1)


@pytest.mark.parametrize("backend", ["eager", "torchscript", "onnxruntime"])
def test_bytes_in_bytes_out_by_any_backend(shared: Api, backend: str) -> None:
    rows = trained("image").heldout["images"][:4]
    body, length = packed(rows, parameters={"backend": backend, "binary_data_output": True})
    response = infer(shared, content=body, headers={"Inference-Header-Content-Length": str(length)})
    assert response.headers["content-type"] == "application/octet-stream"
    size = int(response.headers["Inference-Header-Content-Length"])
    head = json.loads(response.content[:size])
    assert head["parameters"]["backend"] == backend
    assert head["outputs"][0]["parameters"]["binary_data_size"] == 4 * 3 * 4
    found = np.frombuffer(response.content[size:], np.float32).reshape(4, 3)
    by_json = shared.client.post(
        f"/v1/models/image/predict?backend={backend}", json={"inputs": rows.tolist()}
    ).json()
    assert np.allclose(found, by_json["outputs"])


def test_an_output_chooses_its_own_form(shared: Api) -> None:
    wanted = [{"name": "probabilities", "parameters": {"binary_data": False}}]
    response = infer(
        shared,
        json={"inputs": [ROW], "outputs": wanted, "parameters": {"binary_data_output": True}},
    )
    assert response.json()["outputs"][0]["data"]
    wanted[0]["parameters"] = {"binary_data": True}
    response = infer(shared, json={"inputs": [ROW], "outputs": wanted})
    assert response.headers["Inference-Header-Content-Length"]


def test_no_rows_are_a_request(shared: Api) -> None:
    empty = ROW | {"shape": [0, 1, 8, 8], "data": []}
    (output,) = infer(shared, json={"inputs": [empty]}).json()["outputs"]
    assert (output["shape"], output["data"]) == ([0, 3], [])
    body, length = packed(
        np.empty((0, 1, 8, 8), np.float32), parameters={"binary_data_output": True}
    )
    response = infer(shared, content=body, headers={"Inference-Header-Content-Length": str(length)})
    assert response.status_code == 200
    assert int(response.headers["Inference-Header-Content-Length"]) == len(response.content)


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_packed_body_counts_its_header_unpacked(shared: Api, encoding: str, pack: Any) -> None:
    body, length = packed()
    response = infer(
        shared,
        content=pack(body),
        headers={
            "Inference-Header-Content-Length": str(length),
            "Content-Encoding": encoding,
        },
    )
    assert response.json()["outputs"][0]["shape"] == [2, 3]


def test_a_body_may_come_in_pieces(shared: Api) -> None:
    body, length = packed()
    response = infer(
        shared,
        content=iter([body[:10], body[10:11], body[11:]]),
        headers={"Inference-Header-Content-Length": str(length)},
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "application/octet-stream", "x"]
)
def test_the_content_type_does_not_matter(shared: Api, content_type: str | None) -> None:
    request = shared.client.build_request(
        "POST", "/v2/models/image/infer", content=json.dumps({"inputs": [ROW]})
    )
    request.headers.pop("Content-Type", None)
    if content_type is not None:
        request.headers["Content-Type"] = content_type
    assert shared.client.send(request).status_code == 200


def test_versions_may_be_aliases(shared: Api) -> None:
    for version in ("1", "champion"):
        response = infer(shared, f"models/image/versions/{version}", json={"inputs": [ROW]})
        assert response.json()["model_version"] == "1"


def test_what_json_cannot_hold_is_a_400_or_bytes(
    api: Api, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_version(container, "binary", name="m")
    row = {"name": "features", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    assert infer(api, "models/m", json={"inputs": [row]}).status_code == 200
    (key,) = api.state.engine.cache
    loaded = api.state.engine.cache.peek(key)
    nan = FunctionRunner(lambda x: x * np.float32("nan"))
    monkeypatch.setattr(loaded, "_runner", nan)
    response = infer(api, "models/m", json={"inputs": [row]})
    assert response.status_code == 400
    assert "NaN" in response.json()["error"]
    v1 = api.client.post("/v1/models/m/predict", json={"inputs": [[1, 2]]})
    assert (v1.status_code, v1.json()["code"]) == (400, "not_finite")
    binary = infer(
        api, "models/m", json={"inputs": [row], "parameters": {"binary_data_output": True}}
    )
    size = int(binary.headers["Inference-Header-Content-Length"])
    assert np.isnan(np.frombuffer(binary.content[size:], np.float32)).all()


def test_the_repository_lists_every_version(client: httpx.Client, container: Container) -> None:
    add_version(container, "binary", name="m")
    add_version(container, "binary", name="m", backends={"eager": {"status": "rejected"}})
    client.get("/v2/models/m/versions/2")
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


def test_shared_memory_in_a_request_is_a_501(shared: Api) -> None:
    tensor = {name: value for name, value in ROW.items() if name != "data"}
    tensor["parameters"] = {"shared_memory_region": "r", "shared_memory_byte_size": 256}
    assert infer(shared, json={"inputs": [tensor]}).status_code == 501


def test_the_route_in_the_application_answers_as_the_hot_path_does(
    shared: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that an application without the hot path in front of it is whole."""
    from api import infer as hot_path

    body, length = packed(parameters={"binary_data_output": True})
    requests: list[dict[str, Any]] = [
        {"json": {"inputs": [ROW]}},
        {"content": body, "headers": {"Inference-Header-Content-Length": str(length)}},
        {"content": b"{"},
        {"json": {"inputs": []}},
    ]
    fast = [infer(shared, **request) for request in requests]
    monkeypatch.setattr(hot_path, "target_of", lambda _path: None)
    for quick, request in zip(fast, requests, strict=True):
        slow = infer(shared, **request)
        assert (slow.status_code, slow.content) == (quick.status_code, quick.content)
        names = ("content-type", "content-length", "inference-header-content-length")
        assert [slow.headers.get(name) for name in names] == [
            quick.headers.get(name) for name in names
        ]
        assert len(slow.headers.get_list("X-Request-Id")) == 1
