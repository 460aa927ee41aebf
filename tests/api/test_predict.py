from __future__ import annotations

import gzip
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from services.container import Container
from tests.api.conftest import Api
from tests.services import factories
from tests.support.published import add_version, trained


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def post(api: Api, content: bytes, media_type: str, model: str = "image") -> httpx.Response:
    return api.client.post(
        f"/v1/models/{model}/predict", content=content, headers={"Content-Type": media_type}
    )


@pytest.mark.parametrize("backend", [None, "auto", "eager", "torchscript", "onnxruntime"])
def test_rows_are_answered_by_the_backend_that_is_asked_for(
    shared: Api, backend: str | None
) -> None:
    rows = trained("image").heldout["images"][:2]
    params = {} if backend is None else {"backend": backend}
    response = shared.client.post(
        "/v1/models/image/predict", json={"inputs": rows.tolist()}, params=params
    )
    answer = response.json()
    assert response.headers["content-type"] == "application/json"
    assert set(answer) == {
        "id",
        "model",
        "version",
        "backend",
        "outputs",
        "labels",
        "probabilities",
    }
    assert (answer["model"], answer["version"]) == ("image", 1)
    assert answer["backend"] == (backend if backend not in (None, "auto") else "onnxruntime")
    expected = trained("image").servable(torch.from_numpy(rows)).detach().numpy()
    assert np.allclose(answer["outputs"], expected, atol=1e-5)
    assert answer["probabilities"] == answer["outputs"]
    classes = trained("image").classes or []
    assert answer["labels"] == [classes[index] for index in expected.argmax(1)]


@pytest.mark.parametrize("target", ["image", "image@1", "image@champion"])
def test_a_version_is_named_behind_the_model(shared: Api, target: str) -> None:
    rows = trained("image").heldout["images"][:1].tolist()
    response = shared.client.post(f"/v1/models/{target}/predict", json={"inputs": rows})
    assert response.json()["version"] == 1


def test_a_picture_is_what_its_pixels_are(shared: Api) -> None:
    pixels = (trained("image").heldout["images"][0, 0] * 255).round().astype(np.uint8)
    answer = post(shared, png(pixels), "image/png").json()
    rows = (pixels.astype(np.float32) / 255)[None, None].tolist()
    same = shared.client.post("/v1/models/image/predict", json={"inputs": rows}).json()
    assert np.allclose(answer["probabilities"], same["probabilities"], atol=1e-6)
    assert answer["labels"] == same["labels"]
    colour = np.dstack([pixels] * 3).repeat(4, 0).repeat(4, 1)
    larger = post(shared, png(colour), "image/png").json()
    assert np.allclose(larger["probabilities"], same["probabilities"], atol=0.05)
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG", quality=100)
    assert post(shared, jpeg.getvalue(), "image/jpeg; q=1").json()["labels"] == same["labels"]


def test_a_table_is_answered_row_by_row(shared: Api) -> None:
    rows = trained("regression").heldout["features"][:3]
    table = "a,b,c,d,e\n" + "\n".join(",".join(map(str, row)) for row in rows.tolist())
    answer = post(shared, table.encode(), "text/csv; charset=utf-8", "regression").json()
    expected = trained("regression").servable(torch.from_numpy(rows)).detach().numpy()
    assert np.allclose(answer["outputs"], expected, rtol=1e-4)
    assert "labels" not in answer


def test_no_rows_are_an_answer(shared: Api) -> None:
    answer = shared.client.post("/v1/models/image/predict", json={"inputs": []}).json()
    assert (answer["outputs"], answer["labels"]) == ([], [])


def test_a_packed_body_is_unpacked(shared: Api) -> None:
    rows = trained("regression").heldout["features"][:1].tolist()
    response = shared.client.post(
        "/v1/models/regression/predict",
        content=gzip.compress(json.dumps({"inputs": rows}).encode()),
        headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("target", "query", "status", "code"),
    [
        ("nope", "", 404, "model_not_found"),
        ("image@9", "", 404, "version_not_found"),
        ("image@nope", "", 404, "version_not_found"),
        ("image@", "", 404, "version_not_found"),
        ("@1", "", 404, "model_not_found"),
        ("image@1@1", "", 404, "version_not_found"),
        ("image", "?backend=tensorrt", 422, "unknown_backend"),
        ("image", "?backend=", 422, "unknown_backend"),
        ("image", "?backend=" + "x" * 100, 422, "invalid_request"),
    ],
)
def test_what_does_not_exist_is_named(
    shared: Api, target: str, query: str, status: int, code: str
) -> None:
    response = shared.client.post(f"/v1/models/{target}/predict{query}", json={"inputs": []})
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_a_backend_that_is_not_certified_is_never_served(
    client: httpx.Client, container: Container
) -> None:
    rejected = {"status": "rejected", "reason": "it differs", "parity": None}
    certified = {"status": "certified", "reason": None, "parity": None}
    add_version(
        container, "binary", name="m", backends={"onnxruntime": rejected, "eager": certified}
    )
    answer = client.post("/v1/models/m/predict", json={"inputs": [[1, 2]]}).json()
    assert answer["backend"] == "eager"
    response = client.post("/v1/models/m/predict?backend=onnxruntime", json={"inputs": [[1, 2]]})
    assert (response.status_code, response.json()["code"]) == (409, "not_certified")
    row = {"name": "features", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
    v2 = client.post(
        "/v2/models/m/infer", json={"inputs": [row], "parameters": {"backend": "onnxruntime"}}
    )
    assert v2.status_code == 400
    assert "not certified" in v2.json()["error"]
    factories.published(container, model="none", backends={"eager": rejected})
    assert client.post("/v1/models/none/predict", json={"inputs": []}).status_code == 404
    none = client.post("/v1/models/none@1/predict", json={"inputs": []})
    assert (none.status_code, none.json()["code"]) == (409, "not_certified")


def test_a_version_whose_files_are_gone_is_503_and_named(
    client: httpx.Client, container: Container
) -> None:
    add_version(container, "binary", name="m")
    for file in container.registry.version("m").row.files:
        container.storage.delete(file["key"])
    response = client.post("/v1/models/m@1/predict?backend=eager", json={"inputs": [[1, 2]]})
    assert (response.status_code, response.json()["code"]) == (503, "load_failed")
    assert response.headers["Retry-After"]


@pytest.mark.parametrize(
    ("media_type", "status"),
    [("application/xml", 415), ("application/x-www-form-urlencoded", 415), ("image/gif", 415)],
)
def test_other_types_are_refused(shared: Api, media_type: str, status: int) -> None:
    response = post(shared, b"{}", media_type)
    assert (response.status_code, response.json()["code"]) == (status, "unsupported_media_type")


def test_types_that_the_model_does_not_take_are_refused(shared: Api) -> None:
    picture = post(shared, png(np.zeros((8, 8), np.uint8)), "image/png", "regression")
    table = post(shared, b"a,b\n1,2\n", "text/csv")
    for response in (picture, table):
        assert (response.status_code, response.json()["code"]) == (422, "invalid_input")


def test_a_deadline_is_seconds_above_zero(shared: Api) -> None:
    for given, status in (("5", 200), ("0.5", 200), ("0", 422), ("soon", 422), ("1e3", 422)):
        response = shared.client.post(
            "/v1/models/image/predict",
            json={"inputs": [[[[0.5] * 8] * 8]]},
            headers={"X-Request-Timeout": given},
        )
        assert response.status_code == status
        if status == 422:
            assert response.json()["errors"][0]["field"] == "X-Request-Timeout"
