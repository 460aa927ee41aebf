"""From one HTTP call to answers from every backend, on real processes."""

from __future__ import annotations

import io
import json
import re
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from PIL import Image

from tests.torchkiln.upstack import until
from torchkiln import Client
from torchkiln.errors import Conflict
from torchkiln.types import Job

pytestmark = pytest.mark.stack

TIMEOUT_S = 240.0
BACKENDS = ("eager", "torchscript", "onnxruntime", "torchexport")


def run(client: Client, pipeline: str, **options: Any) -> Job:
    """Submit a job and wait for its end."""
    job = client.jobs.submit(pipeline, **options)
    return client.jobs.wait(job["id"], timeout_s=TIMEOUT_S)


@pytest.fixture(scope="session")
def digits(url: str) -> Job:
    """The main job of the service, on its defaults."""
    with Client(url) as client:
        job = run(client, "image-classification")
    assert job["status"] == "succeeded", job["error"]
    return job


@pytest.fixture(scope="session")
def held_out(url: str, digits: Job, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Rows that it never saw, with their labels."""
    target = tmp_path_factory.mktemp("digits") / "heldout.json"
    with Client(url) as client:
        client.jobs.download_artifact(digits["id"], "heldout.json", target)
    return json.loads(target.read_text())


@pytest.mark.long
@pytest.mark.parametrize(
    ("pipeline", "figure", "at_least"),
    [("binary-classification", "test_accuracy", 0.97), ("linear-regression", "test_r2", 0.9)],
)
def test_a_pipeline_on_its_defaults_is_as_good_as_promised(
    client: Client, pipeline: str, figure: str, at_least: float
) -> None:
    job = run(client, pipeline)
    assert job["status"] == "succeeded", job["error"]
    assert job["results"][figure] >= at_least
    if pipeline == "linear-regression":
        assert job["results"]["max_abs_weight_error"] <= 0.05
    assert job["model"] is not None
    version = client.models.version(job["model"], "champion")
    assert {version["backends"][name]["status"] for name in BACKENDS} == {"certified"}


def test_diagnostics_check_every_operation_on_the_workers_device(client: Client) -> None:
    job = run(client, "diagnostics")
    assert job["status"] == "succeeded", job["error"]
    assert (job["model"], job["model_version"]) == (None, None)
    names = [artifact["name"] for artifact in client.jobs.artifacts(job["id"])]
    assert "checks.json" in names


def test_digits_are_learned_and_every_plot_has_its_numbers(client: Client, digits: Job) -> None:
    assert digits["results"]["test_accuracy"] >= 0.965
    assert digits["progress"]["percent"] == 100.0
    names = {artifact["name"] for artifact in client.jobs.artifacts(digits["id"])}
    plots = {"samples", "curves", "confusion-matrix", "misclassified"}
    assert {f"{plot}.{kind}" for plot in plots for kind in ("png", "json")} <= names
    steps = [checkpoint["step"] for checkpoint in client.jobs.checkpoints(digits["id"])]
    assert max(steps) == digits["progress"]["steps"]


def test_events_are_numbered_and_replayed_from_anywhere(client: Client, digits: Job) -> None:
    events = list(client.jobs.events(digits["id"]))
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "status"
    assert events[-1]["data"]["status"] == "succeeded"
    epochs = [event for event in events if event["type"] == "metrics"]
    assert len(epochs) == digits["progress"]["epochs"]
    middle = events[len(events) // 2]["id"]
    assert list(client.jobs.events(digits["id"], after=middle)) == events[middle:]


def test_every_file_of_a_version_has_the_digest_it_says(
    client: Client, digits: Job, tmp_path: Path
) -> None:
    assert digits["model"] is not None
    assert digits["model_version"] is not None
    files = client.models.files(digits["model"], digits["model_version"])
    assert {"model.safetensors", "model.torchscript.pt", "model.onnx"} <= {
        file["name"] for file in files
    }
    for file in files:
        # The client refuses what does not match its digest.
        target = tmp_path / file["name"]
        client.models.download(digits["model"], digits["model_version"], file, target)


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_held_out_images_are_recognised_over_every_way_in(
    url: str, client: Client, digits: Job, held_out: dict[str, Any], backend: str
) -> None:
    model = digits["model"]
    assert model is not None
    rows, labels = held_out["inputs"], held_out["labels"]
    by_json = client.predict(model, rows, backend=backend)
    assert by_json["backend"] == (by_json["backend"] if backend == "auto" else backend)
    right = sum(a == b for a, b in zip(by_json["labels"], labels, strict=True))
    assert right >= 0.9 * len(labels)

    pixels = (np.array(rows[0][0]) * 255).round().astype(np.uint8)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    by_png = client.predict_image(model, png.getvalue(), backend=backend)
    assert by_png["labels"] == by_json["labels"][:1]

    tensor = triton.InferInput("input", [len(rows), 1, 28, 28], "FP32")
    tensor.set_data_from_numpy(np.array(rows, np.float32))
    parameters = None if backend == "auto" else {"backend": backend}
    v2 = triton.InferenceServerClient(url.removeprefix("http://"))
    try:
        answer = v2.infer(model, [tensor], parameters=parameters)
    finally:
        v2.close()
    np.testing.assert_allclose(
        answer.as_numpy("probabilities"), by_json["probabilities"], atol=1e-6
    )
    assert answer.get_response()["parameters"]["backend"] == by_json["backend"]


def test_a_benchmark_decides_which_backend_answers(client: Client, digits: Job) -> None:
    model = digits["model"]
    assert model is not None
    benchmark = client.benchmarks.submit(model, batch_sizes=(1, 8), min_time_s=0.1)
    benchmark = client.benchmarks.wait(benchmark["id"], timeout_s=TIMEOUT_S)
    assert benchmark["status"] == "succeeded", benchmark["error"]
    results = benchmark["results"]
    assert results is not None
    assert {(row["backend"], row["batch_size"]) for row in results} == {
        (backend, size) for backend in BACKENDS for size in (1, 8)
    }
    assert all(row["ci95_ms"][0] <= row["mean_ms"] <= row["ci95_ms"][1] for row in results)
    version = client.models.version(model, "champion")
    preferred = version["preferred_backend"]
    assert preferred is not None
    assert set(preferred) == {"1", "8"}


@pytest.mark.long
def test_mnist_without_a_network_says_what_to_do(client: Client) -> None:
    job = run(client, "image-classification", dataset="mnist")
    assert job["error"] is not None
    assert job["error"]["code"] == "dataset_unavailable"
    assert len(job["attempts"]) == 1, "trying again would not help"


def test_a_running_job_is_cancelled_with_a_checkpoint(client: Client) -> None:
    job = client.jobs.submit("binary-classification", params={"epochs": 100_000})
    for event in client.jobs.events(job["id"]):
        if event["type"] == "metrics":
            break
    client.jobs.cancel(job["id"])
    ended = client.jobs.wait(job["id"], timeout_s=TIMEOUT_S)
    assert ended["status"] == "cancelled"
    assert ended["model_version"] is None
    statuses = [change["status"] for change in ended["status_transitions"]]
    assert statuses == ["queued", "running", "cancelling", "cancelled"]
    assert client.jobs.checkpoints(job["id"])[0]["step"] > 0


def test_the_same_idempotency_key_makes_one_job_however_often(url: str) -> None:
    ids: list[str] = []

    def submit() -> None:
        with Client(url) as own:
            ids.append(own.jobs.submit("diagnostics", idempotency_key="once")["id"])

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1


@pytest.mark.long
def test_promotion_moves_the_champion_and_requests_follow(client: Client) -> None:
    options = {"model": "moved", "params": {"epochs": 2}}
    first = run(client, "binary-classification", **options)
    second = run(client, "binary-classification", seed=1, promote="always", **options)
    assert (first["model_version"], second["model_version"]) == (1, 2)
    # A serving process hears of a new champion within a second, not in the same instant.
    until(lambda: client.predict("moved", [[0.0, 0.0]])["version"] == 2)
    assert client.predict("moved", [[0.0, 0.0]], version=1)["version"] == 1
    client.models.set_alias("moved", "champion", 1)
    with pytest.raises(Conflict, match="champion"):
        client.models.delete_version("moved", 1)


def test_the_page_of_documentation_needs_no_internet(url: str) -> None:
    page = httpx.get(url + "/docs").text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(assets) >= 3
    for asset in assets:
        assert asset.startswith("/"), "from this service"
        assert httpx.get(url + asset).status_code == 200


def test_health_and_metrics_are_there(url: str) -> None:
    for path, words in (("/metrics", "torchkiln_"), ("/healthz", ""), ("/readyz", "ready")):
        answer = httpx.get(url + path)
        assert answer.status_code == 200
        assert words in answer.text
