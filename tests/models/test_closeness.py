"""Certificates of variants: a bound on what the task is judged by, not on each element."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.backends import BACKENDS, VARIANTS
from models.closeness import Closeness, certify_close, reference
from models.params import TrainingParams
from models.pipelines import PIPELINES
from models.publishing import publish
from tests.support.models import FunctionRunner, RecordingReporter, image_model, signature
from tests.support.runs import Recorder, context

SIGNATURE = signature((3,), 3)
ROWS = np.random.default_rng(0).random((300, 3)).astype(np.float32)


def _certify(function: Any, *, task: str = "multiclass", rows: NDArray[Any] = ROWS) -> Closeness:
    answers = reference(FunctionRunner(lambda x: x.copy()), {"features": rows})
    return certify_close(FunctionRunner(function), answers, SIGNATURE, task=task)


def _flipping(share: float) -> Any:
    """Another class for this share of the rows, which are told by their first number."""
    limit = np.quantile(ROWS[:256, 0], share)
    return lambda x: np.where(x[:, :1] < limit, np.roll(x, 1, axis=1), x)


@pytest.mark.parametrize(("share", "passed"), [(0.0, True), (0.004, True), (0.02, False)])
def test_a_classifier_keeps_the_class_of_99_rows_in_100(share: float, *, passed: bool) -> None:
    found = _certify(_flipping(share))
    assert found.rows == 256
    assert found.argmax_agreement == pytest.approx(1 - share, abs=0.004)
    assert found.passed is passed
    assert passed or "of rows keep their class, expected 99%" in (found.reason or "")


@pytest.mark.parametrize(("error", "passed"), [(0.04, True), (0.06, False)])
def test_a_quantity_is_off_by_five_per_cent_of_its_spread_at_most(
    error: float, *, passed: bool
) -> None:
    spread = float(ROWS[:256].std())
    found = _certify(lambda x: x + np.float32(error * spread), task="regression")
    assert found.argmax_agreement is None
    assert found.relative_rmse == pytest.approx(error, rel=1e-3)
    assert found.passed is passed


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: np.where(x > 0.9, np.nan, x).astype(np.float32), "NaN or infinity"),
        (lambda x: x.astype(np.float64), "is float64 of shape"),
        (lambda x: x[:, :2], "not as the signature says"),
        (lambda x: x if len(x) else np.ones((1, 3), np.float32), "not as the signature says"),
    ],
)
def test_an_answer_that_is_none_is_refused(function: Any, reason: str) -> None:
    assert reason in (_certify(function).reason or "")


def test_a_constant_answer_has_no_spread_to_hide_in() -> None:
    constant = np.ones((8, 3), np.float32)
    assert _certify(lambda x: x, task="regression", rows=constant).passed
    assert not _certify(lambda x: x * np.float32(1.001), task="regression", rows=constant).passed


def test_variants_are_published_where_they_are_asked_for(tmp_path: Path) -> None:
    trained = replace(image_model(), variants=tuple(VARIANTS))
    trained.calibration = trained.heldout
    made = publish(trained, tmp_path, report=RecordingReporter())
    assert list(made.backends) == [*BACKENDS, *VARIANTS]
    assert json.loads(json.dumps(made.to_json(), allow_nan=False)) == made.to_json()
    for name, backend in VARIANTS.items():
        entry = made.backends[name]
        assert (entry["status"], entry["auto"]) == ("certified", False)
        assert entry["parity"]["tolerance"] == {"argmax_agreement": 0.99}
        assert "fewer bits" in entry["parity"]["tolerance_reason"]
        assert backend.file in {file.name for file in made.files}
    assert not any("auto" in made.backends[name] for name in BACKENDS)
    assert "argmax agreement 0.99" in (tmp_path / "card.md").read_text()


def test_without_rows_to_calibrate_with_there_is_no_variant(tmp_path: Path) -> None:
    trained = replace(image_model(), variants=("onnxruntime-int8",))
    onnx = {"onnxruntime": BACKENDS["onnxruntime"]}
    entry = publish(trained, tmp_path, report=RecordingReporter(), backends=onnx).backends
    assert entry["onnxruntime"]["status"] == "certified"
    assert entry["onnxruntime-int8"] == {
        "status": "failed",
        "reason": "there are no training rows to calibrate with",
        "parity": None,
        "auto": False,
    }


@pytest.mark.long
def test_a_job_asks_for_variants_and_gives_training_rows(tmp_path: Path) -> None:
    pipeline = PIPELINES["regression"]
    params = pipeline.params.model_validate(
        {"epochs": 3, "variants": ["int8", "bf16"]}, strict=True
    )
    model = pipeline.run(context(tmp_path, report=Recorder(), dataset="diabetes"), params).model
    assert model is not None
    assert model.variants == ("onnxruntime-int8", "onnxruntime-bf16")
    assert model.calibration is not None
    (rows,) = model.calibration.values()
    assert len(rows) == 256
    assert not {row.tobytes() for row in rows} & {row.tobytes() for row in model.heldout["input"]}
    made = publish(model, tmp_path / "version", report=RecordingReporter())
    statuses = {name: made.backends[name]["status"] for name in VARIANTS}
    assert statuses == dict.fromkeys(VARIANTS, "certified")
    assert TrainingParams().variants == []
    with pytest.raises(ValueError, match="int8"):
        TrainingParams.model_validate({"variants": ["int4"]})
