"""Looking into versions over HTTP, with the process that looks."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from services.container import Container
from services.settings import Settings
from tests.api.conftest import ROOT, Api, environment, free_port, wait_for
from tests.services import factories
from tests.services.conftest import RecordingQueue
from tests.support.published import add_version, trained
from tests.workers import waiting

BASE = "/v1/models/image/versions/1"
PIXELS = (np.arange(64).reshape(8, 8) * 4).astype(np.uint8)


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def rows(count: int) -> dict[str, Any]:
    return {"inputs": trained("image").heldout["images"][:count].tolist()}


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    """→ the status, the code and the fields at fault."""
    said = response.json()
    return response.status_code, said["code"], ",".join(item["field"] for item in said["errors"])


def drawn(response: httpx.Response) -> np.ndarray[Any, Any]:
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    return np.asarray(Image.open(io.BytesIO(response.content)))


def test_a_summary(shared: Api) -> None:
    answer = shared.client.get(f"{BASE}/summary").json()
    assert (answer["object"], answer["model"], answer["version"]) == ("model_summary", "image", 1)
    modules = {one["name"]: one for one in answer["modules"]}
    assert modules["pre"]["type"] == "Normalize"
    linear = modules["net.layers.1"]
    assert (linear["type"], linear["output_shape"]) == ("Linear", [1, 16])
    assert (linear["parameters"], linear["trainable"], linear["calls"]) == (64 * 16 + 16, True, 1)
    expected = sum(value.numel() for value in trained("image").servable.parameters())
    assert answer["parameters"] == answer["trainable_parameters"] == expected
    assert f"Parameters: {expected:,}" in answer["text"]
    aliased = shared.client.get("/v1/models/image/versions/champion/summary")
    assert aliased.json() == answer


def test_activations_of_a_row_are_those_of_the_model(shared: Api) -> None:
    answer = shared.client.post(f"{BASE}/activations", json=rows(1)).json()
    servable = trained("image").servable
    pixels = torch.tensor(rows(1)["inputs"])
    logits = servable.net(servable.pre(pixels)).detach()
    layers = {one["name"]: one for one in answer["layers"]}
    last = layers["net.layers.7"]
    assert (last["type"], last["shape"]) == ("Linear", [1, 3])
    assert last["mean"] == pytest.approx(logits.mean().item(), abs=1e-6)
    assert 0 < layers["net.layers.2"]["zero_share"] < 1
    assert layers["post"]["mean"] == pytest.approx(1 / 3)


def test_a_picture_is_a_row(shared: Api) -> None:
    headers = {"Content-Type": "image/png"}
    by_picture = shared.client.post(f"{BASE}/activations", content=png(PIXELS), headers=headers)
    same = {"inputs": (PIXELS.astype(np.float32) / 255)[None, None].tolist()}
    assert by_picture.json() == shared.client.post(f"{BASE}/activations", json=same).json()


def test_a_table_is_a_row(shared: Api) -> None:
    table = "a,b,c,d,e\n1000,-5,0.1,40,7\n"
    answer = shared.client.post(
        "/v1/models/regression/versions/1/gradients",
        content=table,
        headers={"Content-Type": "text/csv"},
    ).json()
    assert answer["of"]["class"] is None
    post = answer["layers"][-1]
    assert (post["name"], post["norm"]) == ("post", 1.0)
    scale = answer["layers"][-2]
    assert scale["norm"] == pytest.approx(77)  # by what `destandardize` multiplies


def test_gradients_of_a_class(shared: Api) -> None:
    answer = shared.client.post(f"{BASE}/gradients?target=square", json=rows(1)).json()
    probabilities = trained("image").servable(torch.tensor(rows(1)["inputs"]))[0]
    assert answer["of"]["class"] == "square"
    assert answer["of"]["value"] == pytest.approx(probabilities[1].item(), abs=1e-6)
    assert [one["name"] for one in answer["parameters"]][:2] == [
        "net.layers.1.weight",
        "net.layers.1.bias",
    ]
    only = shared.client.post(
        f"{BASE}/gradients", json=rows(1), params={"layer": "net.layers.1"}
    ).json()
    assert [one["name"] for one in only["layers"]] == ["net.layers.1"]
    assert len(only["parameters"]) == 2
    assert only["layers"][0]["norm"] > 0


def test_features_are_embeddings_row_by_row(shared: Api) -> None:
    answer = shared.client.post(
        f"{BASE}/features", json=rows(5), params={"layer": "net.layers.4"}
    ).json()
    servable = trained("image").servable
    hidden = servable.net.layers[:5](servable.pre(torch.tensor(rows(5)["inputs"])))
    assert (answer["layer"], answer["shape"]) == ("net.layers.4", [5, 8])
    assert np.allclose(answer["features"], hidden.detach().numpy(), atol=1e-6)


def test_pictures_are_drawn(shared: Api) -> None:
    matrix = drawn(shared.client.get(f"{BASE}/weights/net.layers.1.png"))
    other = drawn(shared.client.get(f"{BASE}/weights/net.layers.4.png"))
    assert matrix.shape == other.shape
    assert not np.array_equal(matrix, other)
    for what in ("activations", "gradients"):
        asked = {"layer": "pre", "format": "png"}
        maps = drawn(shared.client.post(f"{BASE}/{what}", json=rows(1), params=asked))
        assert maps[..., :3].std() > 5


@pytest.mark.parametrize(
    ("method", "path", "count", "expected"),
    [
        ("GET", "/summary", 0, None),
        ("GET", "/weights/net.nope.png", 0, (404, "layer_not_found", "layer")),
        ("GET", "/weights/net.layers.2.png", 0, (422, "no_weights", "layer")),
        ("POST", "/activations?layer=nope", 1, (404, "layer_not_found", "layer")),
        ("POST", "/activations", 3, (422, "invalid_input", "inputs")),
        ("POST", "/gradients", 0, (422, "invalid_input", "inputs")),
        ("POST", "/gradients?target=nope", 1, (422, "unknown_class", "target")),
        ("POST", "/gradients?format=png", 1, (422, "invalid_input", "layer")),
        ("POST", "/gradients?format=gif", 1, (422, "invalid_request", "query.format")),
        ("POST", "/features", 1, (422, "invalid_request", "query.layer")),
        ("POST", "/features?layer=post", 65, (422, "invalid_input", "inputs")),
        ("POST", "/features?layer=nope", 1, (404, "layer_not_found", "layer")),
    ],
)
def test_what_is_wrong_is_named(
    shared: Api, method: str, path: str, count: int, expected: tuple[int, str, str] | None
) -> None:
    body = rows(1)["inputs"] * count
    response = shared.client.request(
        method, BASE + path, json={"inputs": body} if method == "POST" else None
    )
    if expected is None:
        assert response.status_code == 200
    else:
        assert refusal(response) == expected


def test_errors_say_what_was_expected_and_what_came(shared: Api) -> None:
    three = shared.client.post(f"{BASE}/activations", json=rows(3)).json()
    assert three["detail"] == "inputs: expected one row, got 3"
    nope = shared.client.get(f"{BASE}/weights/nope.png").json()
    assert "net.layers.1" in nope["detail"]
    assert nope["detail"].endswith("got 'nope'")
    missing = shared.client.get("/v1/models/image/versions/9/summary")
    assert refusal(missing) == (404, "version_not_found", "")
    wrong = shared.client.post(f"{BASE}/activations", json={"inputs": [[1, 2]]})
    assert refusal(wrong)[:2] == (422, "invalid_input")
    other = shared.client.post(
        f"{BASE}/features?layer=post", content=b"x", headers={"Content-Type": "text/html"}
    )
    assert refusal(other)[:2] == (415, "unsupported_media_type")


def test_certificates_do_not_matter_but_a_state_dict_does(shared: Api) -> None:
    rejected = {"status": "rejected", "reason": "it differs", "parity": None}
    number = add_version(shared.container, "binary", name="rejected", backends={"eager": rejected})
    url = f"/v1/models/rejected/versions/{number}"
    assert shared.client.get(f"{url}/summary").json()["parameters"] == 2 * 8 + 8 + 8 + 1
    onnx_only = factories.published(shared.container, model="onnx-only")
    assert onnx_only
    response = shared.client.get("/v1/models/onnx-only/versions/1/summary")
    assert refusal(response)[:2] == (409, "no_state_dict")


def test_a_version_whose_files_are_damaged_is_503(shared: Api) -> None:
    number = add_version(shared.container, "binary", name="damaged")
    row = shared.container.registry.version("damaged", str(number)).row
    weights = next(file for file in row.files if file["name"] == "model.safetensors")
    path = shared.container.storage.local_path(weights["key"])
    path.unlink()  # it may be a link to what other tests read
    path.write_bytes(b"nothing")
    response = shared.client.get(f"/v1/models/damaged/versions/{number}/summary")
    assert refusal(response)[:2] == (503, "load_failed")
    assert str(shared.container.settings.data_dir) not in response.text


@pytest.fixture
def data_dir(tmp_path: Path, template: Path) -> Path:
    (tmp_path / "torchkiln.db").write_bytes(template.read_bytes())
    container = Container(Settings(data_dir=tmp_path), queue=RecordingQueue())
    add_version(container, "image", name="image")
    container.close()
    return tmp_path


def inspectors(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    titles = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    return [child for child, title in titles.items() if title.startswith(b"torchkiln: inspector")]


def sockets(pid: int) -> list[str]:
    opened = [str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()]
    return [file for file in opened if file.startswith("socket:")]


def test_no_process_stays_behind(data_dir: Path) -> None:
    port = free_port()
    command, env = [sys.executable, "-m", "api"], environment(data_dir, port)
    popen = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/v2/health/ready", popen)
        assert not inspectors(popen.pid)  # before anybody asks
        url = f"http://127.0.0.1:{port}{BASE}/summary"
        assert httpx.get(url, timeout=60).status_code == 200
        (inspector,) = inspectors(popen.pid)
        assert sockets(inspector) == []  # it would keep the port, and connections, open
        popen.send_signal(signal.SIGTERM)
        assert popen.wait(60) == 0
    finally:
        popen.kill()
        popen.wait()
    waiting.wait_for(lambda: waiting.is_gone(inspector), "the end of the inspector")
