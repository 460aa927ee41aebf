"""The README's first calls, by curl's means, on what `docker compose up` brings up."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton

from tests.stack.compose import Compose, healthy, until
from torchkiln import Client

pytestmark = pytest.mark.compose


def quickstart(http: httpx.Client) -> None:
    """Train, watch, predict with what was published."""
    body = {"pipeline": "image-classification", "params": {"epochs": 10}}
    answer = http.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    job = answer.json()["id"]
    stream = {"Accept": "text/event-stream"}
    with http.stream("GET", f"/v1/jobs/{job}/events", headers=stream) as events:
        lines = [line for line in events.iter_lines() if line]
    assert '"status":"succeeded"' in next(line for line in lines[::-1] if line.startswith("data"))
    assert sum(line == "event: metrics" for line in lines) >= 10
    digit = http.get(f"/v1/jobs/{job}/artifacts/example.png")
    assert digit.headers["content-type"] == "image/png"
    found = http.post(
        "/v1/models/image-classification/predict",
        content=digit.content,
        headers={"Content-Type": "image/png"},
    ).json()
    assert found["version"] == 1
    assert found["labels"] == [str(np.argmax(found["outputs"][0]))]
    version = http.get("/v1/models/image-classification/versions/champion").json()
    states = {name: each["status"] for name, each in version["backends"].items()}
    assert states["eager"] == states["onnxruntime"] == states["torchscript"] == "certified"


def test_the_quickstart(stack: Compose) -> None:
    with httpx.Client(base_url=stack.url, timeout=120, trust_env=False) as http:
        quickstart(http)


def test_the_web_page_is_there(stack: Compose) -> None:
    """Its process, its health, and a page; what a browser does with it is in tests/dashboard."""
    (container,) = stack.containers("dashboard")
    until(lambda: healthy(container), "the web page is well")
    page = httpx.get(f"http://127.0.0.1:{stack.dashboard_port}/system", trust_env=False)
    assert page.status_code == 200
    assert "Workers" in page.text


def test_grpc_goes_through_the_proxy(stack: Compose, client: Client, model: str) -> None:
    rows = np.array([[0.5, 0.25]], np.float32)
    (signature,) = client.models.version(model, "champion")["signature"]["inputs"]
    entry = triton.InferInput(signature["name"], [1, 2], "FP32")
    entry.set_data_from_numpy(rows)
    with triton.InferenceServerClient(f"127.0.0.1:{stack.grpc_port}") as grpc:
        answer = grpc.infer(model, [entry])
        (output,) = answer.get_response().outputs
        found = answer.as_numpy(output.name)
    assert np.allclose(found, client.predict(model, rows.tolist())["outputs"], atol=1e-6)


def test_the_command_line_reaches_it(stack: Compose, client: Client, tmp_path: Path) -> None:
    """Uploads beyond what nginx takes by default go through."""
    table = tmp_path / "large.csv"
    rows = "".join(f"{number},{number % 97},{number % 2}\n" for number in range(200_000))
    table.write_text("a,b,target\n" + rows)
    assert table.stat().st_size > 2**20
    dataset = client.datasets.upload(table, target="target")
    assert dataset["id"].startswith("ds_")
