"""Rules of the house that no linter knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.settings import DashboardSettings
from services.settings import Settings

ROOT = Path(__file__).parent.parent
ROOMS = ("api", "workers", "services", "models", "torchkiln", "dashboard")


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_is_imported_from_this_repository(room: str) -> None:
    """Their names are common ones; an installed package of the same name must not come first."""
    module = __import__(room)
    assert Path(module.__path__[0]) == ROOT / room


@pytest.mark.parametrize(
    "modules",
    [
        "models.pipelines, models.backends, models.data, services.container",
        "api.main",
        "workers.main",
        "torchkiln.cli",
        "dashboard.main",
    ],
)
def test_what_serves_does_not_import_torch(modules: str) -> None:
    """Two seconds and half a gigabyte that only trainers and torch backends need."""
    heavy = {"torch", "matplotlib", "sklearn", "pandas", "onnx", "grpc"}
    assert not heavy & imported_by(modules)


def test_an_api_process_leaves_out_what_libraries_import_for_others() -> None:
    """And what it does without until somebody asks for it."""
    found = imported_by("api.main, api.grpc.server, onnxruntime")
    assert {"fastapi", "uvicorn.server", "redis.client", "redis.asyncio.client"} <= found
    lean = {
        *("watchfiles", "pydantic.v1", "rapidjson", "ml_dtypes", "numpy.random", "rich", "click"),
        *("uvicorn.main", "redis.cluster", "redis.asyncio.cluster", "tritonclient.grpc"),
        *("google.protobuf.json_format", "concurrent.futures.process", "safetensors", "tarfile"),
    }
    assert not lean & found


def imported_by(modules: str) -> set[str]:
    """All modules of a fresh process that imports these."""
    code = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in listed.stdout.splitlines()]


def test_no_python_file_is_longer_than_three_hundred_lines() -> None:
    long = [
        path.relative_to(ROOT).as_posix()
        for path in tracked("*.py")
        if "migrations/versions" not in path.as_posix() and len(path.read_text().splitlines()) > 300
    ]
    assert long == []


def test_every_setting_is_in_the_operators_manual() -> None:
    manual = (ROOT / "docs/operations.md").read_text()
    names = [*Settings.model_fields, *DashboardSettings.model_fields]
    assert [name for name in names if f"`TORCHKILN_{name.upper()}`" not in manual] == []
