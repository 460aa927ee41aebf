from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from models import pipelines
from models.data import BUILTIN
from models.pipelines import PIPELINES
from models.pipelines.base import Pipeline

PACKAGE = Path(pipelines.__file__).parent
READ = {
    "regression": ("regression",),
    "binary": ("binary",),
    "multiclass": ("binary", "multiclass"),
    "segmentation": ("segmentation",),
    "embedding": ("binary", "multiclass"),
}
"""The targets that each task can be learned from."""


def test_every_file_is_in_the_table() -> None:
    found = {
        importlib.import_module(f"models.pipelines.{path.stem}").PIPELINE.name
        for path in PACKAGE.glob("*.py")
        if path.stem not in ("__init__", "base")
    }
    assert found == set(PIPELINES)


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_its_file_is_called_like_it_and_its_datasets_exist(pipeline: Pipeline) -> None:
    assert (PACKAGE / f"{pipeline.name.replace('-', '_')}.py").is_file()
    assert all(BUILTIN[name].task in READ.get(pipeline.task, ()) for name in pipeline.datasets)
    assert pipeline.produces_model == bool(pipeline.datasets)


def test_validating_and_describing_needs_no_torch() -> None:
    code = (
        "import sys; from models.pipelines import PIPELINES; from models import data;"
        "[p.params.model_json_schema() and p.params() for p in PIPELINES.values()];"
        "print({'torch', 'sklearn', 'matplotlib', 'scipy', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
