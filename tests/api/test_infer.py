"""Inference over the Open Inference Protocol by plain HTTP."""

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


@pytest.fixture(scope="module")
def shared(each_way: Api) -> Api:
    return each_way


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


@pytest.mark.parametrize("rows", [1, 2000])
def test_an_answer_is_packed_for_who_asks(shared: Api, rows: int) -> None:
    """A large one in a thread, as a large request is unpacked in one."""
    pixels = np.random.default_rng(0).random((rows, 1, 8, 8), np.float32)
    body, length = packed(pixels, parameters={"binary_data_output": True})
    headers = {
        "Inference-Header-Content-Length": str(length),
        "Content-Encoding": "gzip",
        "Accept-Encoding": "identity",
    }
    plain = infer(shared, content=gzip.compress(body), headers=headers)
    assert "content-encoding" not in plain.headers
    asked = infer(
        shared, content=gzip.compress(body), headers=headers | {"Accept-Encoding": "gzip;q=0.5"}
    )
    assert asked.headers["content-encoding"] == "gzip"
    assert asked.content == plain.content  # httpx unpacks it
    name = "inference-header-content-length"
    assert asked.headers[name] == plain.headers[name]
    assert int(asked.headers["content-length"]) < len(plain.content)


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
    monkeypatch.setattr(loaded, "bound", lambda _shape: None)  # as it is for such a runner
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
        slow = infer(shared, params={"not": "the short way"}, **request)
        assert (slow.status_code, slow.content) == (quick.status_code, quick.content)
        names = ("content-type", "content-length", "inference-header-content-length")
        assert [slow.headers.get(name) for name in names] == [
            quick.headers.get(name) for name in names
        ]
        assert len(slow.headers.get_list("X-Request-Id")) == 1
