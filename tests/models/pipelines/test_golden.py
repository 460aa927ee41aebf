"""Figures of seeded runs, written down: a refactor must reproduce them.

To write them anew after a change that is meant to change them:
`python -m tests.models.pipelines.test_golden`.

Tolerance: on one machine the figures are the same to the last bit. Another instruction set, BLAS or
number of threads adds in another order; restricted to AVX2 and to SSE the same processor differed
by up to 1e-6 over these few steps. A relative 1e-4 leaves room for others, and an accuracy may move
by two rows. A wrong order of rows, seed, loss or rate moves them by whole percents.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.support.runs import run_pipeline

GOLDEN = Path(__file__).parent.parent / "golden"
EPOCHS = {"linear-regression": 5, "binary-classification": 5, "image-classification": 3}
RELATIVE, ACCURACY = 1e-4, 0.01
COUNTED = ("accuracy", "precision", "recall", "f1")


def figures(name: str, directory: Path) -> dict[str, Any]:
    outcome, report = run_pipeline(name, directory, epochs=EPOCHS[name])
    return {
        "params": {"epochs": EPOCHS[name]},
        "seed": 0,
        "history": report.history,
        "metrics": outcome.model.metrics if outcome.model else {},
        "dataset_sha256": outcome.lineage["dataset_sha256"],
    }


@pytest.mark.parametrize("name", EPOCHS)
def test_seeded_figures_are_as_written_down(name: str, tmp_path: Path) -> None:
    written = json.loads((GOLDEN / f"{name}.json").read_text())
    found = figures(name, tmp_path)
    assert found["dataset_sha256"] == written["dataset_sha256"]
    pairs = [
        *zip(found["history"], written["history"], strict=True),
        (found["metrics"], written["metrics"]),
    ]
    for ours, theirs in pairs:
        assert set(ours) == set(theirs)
        for key, value in theirs.items():
            counted = key.partition("_")[2] in COUNTED
            loose = {"abs": ACCURACY} if counted else {"rel": RELATIVE}
            assert ours[key] == pytest.approx(value, **loose), key


def write() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for name in EPOCHS:
        with TemporaryDirectory() as directory:
            text = json.dumps(figures(name, Path(directory)), indent=1)
        (GOLDEN / f"{name}.json").write_text(text + "\n")
        sys.stdout.write(f"{name}.json\n")


if __name__ == "__main__":
    write()
