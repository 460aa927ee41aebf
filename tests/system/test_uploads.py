"""From a user's own file to predictions, on real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.uploads import csv_bytes
from torchkiln import Client
from torchkiln.errors import NotFound

pytestmark = pytest.mark.stack


def test_a_table_is_uploaded_learned_and_predicted(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "my table.csv"
    file.write_bytes(csv_bytes(rows=120, features=4))
    dataset = client.datasets.upload(file, target="y")
    assert (dataset["name"], dataset["classes"]) == ("my-table", ["ant", "bee"])

    job = client.jobs.submit(
        "binary-classification", dataset=dataset["id"], model="mine", params={"epochs": 20}
    )
    job = client.jobs.wait(job["id"], timeout_s=240)
    assert job["status"] == "succeeded", job["error"]
    assert job["results"]["train_rows"] + job["results"]["test_rows"] == 120
    assert job["results"]["test_accuracy"] >= 0.8

    version = client.models.version("mine", "champion")
    assert version["lineage"]["dataset_sha256"] == dataset["sha256"]
    assert {backend["status"] for backend in version["backends"].values()} == {"certified"}
    table = "x4,x3,x2,x1\n-2,-2,-2,-2\n2,2,2,2\n"
    assert client.predict_csv("mine", table)["labels"] == ["ant", "bee"]

    client.datasets.delete(dataset["id"])
    with pytest.raises(NotFound):
        client.datasets.get(dataset["id"])
