"""Versions for tests of serving: made up, or real ones in a registry over SQLite."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.container import Container
from services.db.tables import ModelVersion
from services.registry import VersionView
from services.serving.versions import ServedVersion
from services.settings import Settings
from tests.services.conftest import RecordingQueue

CERTIFIED = {"status": "certified", "reason": None, "parity": {}}
ALL_CERTIFIED = {"eager": CERTIFIED, "torchscript": CERTIFIED, "onnxruntime": CERTIFIED}


def tensor(name: str, datatype: str, shape: Sequence[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape)}


def version(
    inputs: Sequence[dict[str, Any]] = (tensor("x", "FP32", [-1, 2]),),
    outputs: Sequence[dict[str, Any]] = (tensor("y", "FP32", [-1, 2]),),
    *,
    classes: list[str] | None = None,
    backends: Mapping[str, Any] = ALL_CERTIFIED,
    preferred: Mapping[str, str] | None = None,
) -> ServedVersion:
    """Version 3 of `demo`, which is in no database and has no files."""
    row = ModelVersion(
        name="demo",
        version=3,
        job_id=None,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        task="multiclass",
        signature={"inputs": list(inputs), "outputs": list(outputs)},
        classes=classes,
        metrics={},
        backends=dict(backends),
        lineage={},
        files=[],
    )
    return ServedVersion(VersionView(row, [], preferred))


@pytest.fixture
def container(tmp_path: Path, template: Path) -> Iterator[Container]:
    """Serving asks the database through services that have been tested on both kinds."""
    shutil.copy(template, tmp_path)
    made = Container(Settings(data_dir=tmp_path), queue=RecordingQueue())
    yield made
    made.close()
