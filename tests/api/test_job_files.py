"""Checkpoints and artifacts of a job."""

from __future__ import annotations

from pathlib import Path

import httpx

from services.attempt_files import NewArtifact
from services.container import Container
from tests.services import factories


def test_checkpoints_are_listed_and_downloaded(
    client: httpx.Client, container: Container, tmp_path: Path
) -> None:
    claim = factories.running(container)
    for step in (10, 20):
        container.attempt_files.add_checkpoint(
            claim, factories.checkpoint(tmp_path, step=step, best=step == 10)
        )
    base = f"/v1/jobs/{claim.job.id}/checkpoints"
    listed = client.get(base).json()
    assert [row["step"] for row in listed["data"]] == [20, 10]
    row = listed["data"][1]
    assert set(row) >= {
        *("id", "epoch", "step", "metrics", "best", "size_bytes", "sha256", "created_at")
    }
    assert row["best"]
    response = client.get(f"{base}/{row['id']}/download")
    assert response.content == b"weights at step 10"
    assert response.headers["ETag"] == f'"{row["sha256"]}"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "attachment" in response.headers["Content-Disposition"]
    part = client.get(row["url"], headers={"Range": "bytes=0-6"})
    assert (part.status_code, part.content) == (206, b"weights")
    missing = client.get(f"{base}/ckpt_nope/download")
    assert (missing.status_code, missing.json()["code"]) == (404, "checkpoint_not_found")
    other = factories.running(container).job.id
    assert client.get(f"/v1/jobs/{other}/checkpoints/{row['id']}/download").status_code == 404
    page = client.get(base, params={"after": listed["data"][0]["id"]}).json()
    assert [one["step"] for one in page["data"]] == [10]
    assert client.get(base, params={"after": "nope"}).status_code == 422


def test_artifacts_are_listed_and_fetched(
    client: httpx.Client, container: Container, tmp_path: Path
) -> None:
    claim = factories.running(container)
    picture = tmp_path / "curves.png"
    picture.write_bytes(b"\x89PNG picture")
    container.attempt_files.add_artifact(
        claim, NewArtifact(picture, "curves.png", "Curves", "image/png", 12, "0" * 64)
    )
    base = f"/v1/jobs/{claim.job.id}/artifacts"
    (row,) = client.get(base).json()["data"]
    assert (row["name"], row["media_type"], row["size_bytes"]) == ("curves.png", "image/png", 12)
    response = client.get(row["url"])
    assert response.content == b"\x89PNG picture"
    assert response.headers["content-type"] == "image/png"
    assert "inline" in response.headers["Content-Disposition"]
    missing = client.get(f"{base}/nope.png")
    assert (missing.status_code, missing.json()["code"]) == (404, "artifact_not_found")


def test_a_stored_file_that_is_gone_is_a_404_without_a_path(
    client: httpx.Client, container: Container, tmp_path: Path
) -> None:
    claim = factories.running(container)
    row = container.attempt_files.add_checkpoint(claim, factories.checkpoint(tmp_path, step=1))
    assert row is not None
    container.storage.delete(row.key)
    response = client.get(f"/v1/jobs/{claim.job.id}/checkpoints/{row.id}/download")
    assert (response.status_code, response.json()["code"]) == (404, "file_not_found")
    assert str(tmp_path) not in response.text
