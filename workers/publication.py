"""From what a trainer has published in its directory to a version that can be committed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.claims import Claim
from services.publications import NewVersion, StoredFile
from services.storage import Storage


def store(
    publication: Mapping[str, Any], claim: Claim, storage: Storage, lineage: Mapping[str, Any]
) -> NewVersion:
    """Put the files in storage, under keys that no other attempt has. `publication` is the JSON
    of `models.publishing.Publication`."""
    prefix = f"models/{claim.job.model}/{claim.job.id}-{claim.number}"
    files: list[StoredFile] = []
    for file in publication["files"]:
        key = f"{prefix}/{file['name']}"
        storage.put_file(Path(file["path"]), key)
        files.append(
            StoredFile(file["name"], file["media_type"], file["size_bytes"], file["sha256"], key)
        )
    return NewVersion(
        task=publication["task"],
        signature=publication["signature"],
        classes=publication["classes"],
        metrics=publication["metrics"],
        backends=publication["backends"],
        lineage=lineage,
        files=files,
    )


def lineage(
    claim: Claim,
    told: Mapping[str, Any],
    *,
    checkpoint_sha256: str | None,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Where a version comes from. `told` is what the pipeline itself knows, its data's digest."""
    return {
        "dataset_sha256": None,
        **told,
        "job_id": claim.job.id,
        "attempt": claim.number,
        "pipeline": claim.job.pipeline,
        "dataset": claim.job.dataset,
        "params": claim.job.params,
        "seed": claim.job.seed,
        "checkpoint_sha256": checkpoint_sha256,
        "code_version": versions.get("torchkiln"),
        "versions": dict(versions),
    }
