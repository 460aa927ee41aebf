"""Every section of the tutorial over HTTP, at small sizes, on real processes.

What each gives on its defaults is `make tutorial`'s to show, and the quality bars are in
`tests/models/pipelines`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from models.pipelines import PIPELINES
from tests.support.uploads import arrays_bytes, images_bytes, sequences_bytes
from torchkiln import Client
from torchkiln.types import Job, ModelVersion

pytestmark = [pytest.mark.stack, pytest.mark.long]

TIMEOUT_S = 240.0

SMALL: dict[str, dict[str, Any]] = {
    "diagnostics": {},
    "tabular-classification": {"epochs": 2},
    "linear-regression": {"epochs": 2},
    "binary-classification": {"epochs": 2, "loss": {"name": "focal"}},
    "image-classification": {"epochs": 1, "net": "residual", "filters": [4, 8]},
    "regression": {"epochs": 2, "loss": {"name": "huber"}},
    "optimizers": {"epochs": 2},
    "schedulers": {"epochs": 3, "rows": 100},
    "initialization": {"rows": 50, "width": 20},
    "regularization": {"epochs": 5},
    "sequence-classification": {"epochs": 1, "width": 8, "layers": 1},
    "losses": {"points": 11},
    "segmentation": {"epochs": 1, "width": 2, "batch_size": 100},
    "metric-learning": {"epochs": 1},
    "transfer-learning": {"epochs": 1, "base_epochs": 1, "rows_per_class": 20},
}
FILES = {
    "model.safetensors",
    "model.torchscript.pt",
    "model.scripted.pt",
    "model.onnx",
    "model.pt2",
    "architecture.json",
    "signature.json",
    "card.md",
    "checkpoint.pt",
}


def finished(client: Client, pipeline: str, **options: Any) -> Job:
    job = client.jobs.wait(client.jobs.submit(pipeline, **options)["id"], timeout_s=TIMEOUT_S)
    assert job["status"] == "succeeded", job["error"]
    return job


def version_of(client: Client, job: Job) -> ModelVersion:
    assert job["model"] is not None
    assert job["model_version"] is not None
    return client.models.version(job["model"], job["model_version"])


def some_row(version: Mapping[str, Any]) -> Any:
    """Of the signature's shape; five where a dimension may vary."""

    def of(shape: list[int]) -> Any:
        return [of(shape[1:])] * abs(shape[0] if shape[0] > 0 else 5) if shape else 0.5

    return of(version["signature"]["inputs"][0]["shape"][1:])


def test_every_pipeline_is_tried() -> None:
    assert set(SMALL) == set(PIPELINES)


@pytest.mark.parametrize("pipeline", SMALL)
def test_a_section_runs_draws_and_publishes(client: Client, pipeline: str) -> None:
    job = finished(client, pipeline, params=SMALL[pipeline])
    names = {file["name"] for file in client.jobs.artifacts(job["id"])}
    plots = {name for name in names if name.endswith(".png")} - {"example.png"}
    assert plots or pipeline == "diagnostics"
    assert {name.replace(".png", ".json") for name in plots} <= names
    if not PIPELINES[pipeline].produces_model:
        assert job["model_version"] is None
        return
    version = version_of(client, job)
    assert {name: entry["status"] for name, entry in version["backends"].items()} == dict.fromkeys(
        ("eager", "torchscript", "onnxruntime", "torchexport"), "certified"
    )
    assert version["backends"]["torchscript"]["scripted"]["status"] == "certified"
    assert {file["name"] for file in client.models.files(pipeline, version["version"])} == FILES
    check_inside(client, pipeline, version)


def check_inside(client: Client, name: str, version: ModelVersion) -> None:
    """It answers, and lets itself be looked into."""
    number, row = version["version"], some_row(version)
    answers = [
        client.predict(name, [row, row], version=number, backend=backend)["outputs"]
        for backend in version["backends"]
    ]
    assert all(len(answer) == 2 for answer in answers)
    summary = client.models.summary(name, number)
    assert summary["parameters"] > 0
    assert client.models.activations(name, number, [row])["layers"]
    assert client.models.gradients(name, number, [row])["layers"]


@pytest.mark.parametrize(
    ("pipeline", "kind", "content", "params"),
    [
        ("image-classification", "images", images_bytes(), {"epochs": 1, "net": "cnn"}),
        ("sequence-classification", "sequences", sequences_bytes(), {"epochs": 1}),
        ("tabular-classification", "arrays", arrays_bytes(), {"epochs": 1}),
    ],
    ids=["images", "sequences", "arrays"],
)
def test_uploaded_data_is_learned_from(  # a table is in test_uploads
    client: Client,
    url: str,
    pipeline: str,
    kind: str,
    content: bytes,
    params: dict[str, Any],
) -> None:
    fields, files = {"name": f"my-{kind}", "kind": kind}, {"file": ("data", content)}
    made = httpx.post(f"{url}/v1/datasets", data=fields, files=files, timeout=60)
    assert made.status_code == 201, made.text
    dataset = made.json()
    assert dataset["profile"]["rows"] == dataset["rows"] >= 10
    assert client.datasets.preview(dataset["id"])["rows"]
    job = finished(client, pipeline, dataset=dataset["id"], model=f"of-{kind}", params=params)
    lineage = version_of(client, job)["lineage"]
    assert lineage["dataset_sha256"] == dataset["sha256"]


def test_a_model_is_transferred_from_the_registry(client: Client) -> None:
    small = {"epochs": 1, "net": "cnn", "filters": [4]}
    finished(client, "image-classification", dataset="digits-0-4", model="low", params=small)
    job = finished(
        client,
        "transfer-learning",
        dataset="digits-5-9",
        params={"base": "low@champion", "epochs": 1, "unfreeze_layers": 1},
    )
    assert job["params"]["base"] == "low@1"
    assert job["results"]["base"]["source"] == "low@1"
    assert {"test_accuracy", "scratch", "gain_over_scratch"} <= set(job["results"])


def test_a_model_with_two_inputs_is_benchmarked_like_any_other(client: Client) -> None:
    small = {"epochs": 1, "width": 8, "layers": 1}
    finished(client, "sequence-classification", model="timed", params=small)
    submitted = client.benchmarks.submit("timed", batch_sizes=[1, 4], min_time_s=0.05)
    done = client.benchmarks.wait(submitted["id"], timeout_s=TIMEOUT_S)
    assert done["status"] == "succeeded", done["error"]
    assert {row["backend"] for row in done["results"] or []} == {
        "eager",
        "torchscript",
        "onnxruntime",
        "torchexport",
    }


def test_two_processes_train_together(client: Client) -> None:
    job = finished(client, "binary-classification", model="ddp", world_size=2, params={"epochs": 2})
    assert job["world_size"] == 2
    events, _ = client.jobs.history(job["id"], limit=200)
    ranks = {event["data"]["rank"] for event in events if "rank" in event["data"]}
    assert ranks == {0, 1}
