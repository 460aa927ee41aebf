from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.backends import BACKENDS
from models.backends.base import Runner, Tensors
from models.benchmarking import benchmark, certified
from models.errors import ExportFailed
from models.latency_plot import draw
from models.publishing import publish
from models.rows import synthetic, take
from models.signature import Signature, TensorSpec
from models.tuning import Tuner
from tests.support.models import FunctionRunner, RecordingReporter, regression_model, signature


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("version")
    publish(regression_model(), directory, report=RecordingReporter())
    return directory


def test_a_published_version_is_timed_on_every_backend(version: Path) -> None:
    found = benchmark(
        version,
        regression_model().signature,
        backends=list(BACKENDS),
        batch_sizes=[1, 4],
        threads=1,
        min_time_s=0.01,
    )
    json.dumps(found, allow_nan=False)
    assert [(row["batch_size"], row["backend"]) for row in found["results"]] == [
        (size, name) for size in (1, 4) for name in BACKENDS
    ]
    for row in found["results"]:
        assert 0 <= row["ci95_ms"][0] <= row["mean_ms"] <= row["ci95_ms"][1]
        assert 0 < row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"]
        assert row["max_abs_error"] < 1e-2
    assert set(found["winners"]) == {"1", "4"}
    assert found["environment"]["threads"] == 1
    assert draw(found["results"], found["environment"]).startswith(b"\x89PNG\r\n")


def test_eager_is_the_reference_even_where_it_is_not_timed(version: Path) -> None:
    found = benchmark(
        version,
        regression_model().signature,
        backends=["onnxruntime"],
        batch_sizes=[2],
        min_time_s=0.01,
    )
    (row,) = found["results"]
    assert row["backend"] == "onnxruntime"
    assert row["max_abs_error"] is not None


def test_without_threads_backends_are_loaded_as_they_are_served(
    version: Path, tmp_path: Path
) -> None:
    specs = regression_model().signature
    tuner = Tuner(tmp_path, budget_s=0.05)
    served = tuner.open(BACKENDS["onnxruntime"], version, specs)
    served.runner.close()
    found = benchmark(
        version,
        specs,
        backends=["onnxruntime"],
        batch_sizes=[1],
        min_time_s=0.01,
        tuner=tuner,
    )
    assert found["environment"]["threads"] is None
    assert found["environment"]["loaded"]["onnxruntime"] == served.choice.to_json()


def test_a_model_without_eager_has_no_errors_to_tell(version: Path, tmp_path: Path) -> None:
    shutil.copy(version / "model.onnx", tmp_path)
    found = benchmark(
        tmp_path,
        regression_model().signature,
        backends=["onnxruntime"],
        batch_sizes=[1],
        min_time_s=0.01,
    )
    assert found["results"][0]["max_abs_error"] is None


class Loading:
    """A backend whose runners are kept; `broken` ones do not load."""

    def __init__(self, name: str, *, broken: bool = False) -> None:
        self.name = name
        self.file = f"{name}.bin"
        self.media_type = "application/octet-stream"
        self.broken = broken
        self.runners: list[FunctionRunner] = []

    def export(
        self, servable: Any, example: Tensors, signature: Signature, directory: Path
    ) -> None:
        (directory / self.file).touch()

    def load(self, directory: Path, signature: Signature, *, threads: int | None = None) -> Runner:
        if self.broken:
            raise ExportFailed(f"{self.file} cannot be read")
        self.runners.append(FunctionRunner(lambda x: x))
        return self.runners[-1]


def test_what_was_loaded_is_closed_whatever_happens(tmp_path: Path) -> None:
    table = {"eager": Loading("eager"), "broken": Loading("broken", broken=True)}
    with pytest.raises(ExportFailed, match=r"broken\.bin"):
        benchmark(tmp_path, signature((2,), 2), backends=["eager", "broken"], table=table)
    assert [runner.closed for runner in table["eager"].runners] == [True]


def test_only_certified_backends_are_chosen() -> None:
    entries = {
        "onnxruntime": {"status": "certified"},
        "torchscript": {"status": "rejected"},
        "eager": {"status": "certified"},
    }
    assert certified(entries) == ["eager", "onnxruntime"]


def test_taking_rows_goes_round() -> None:
    rows = {"x": np.arange(3), "y": np.arange(3) * 10}
    taken = take(rows, 2, 5)
    assert taken["x"].tolist() == [2, 0, 1, 2, 0]
    assert taken["y"].tolist() == [20, 0, 10, 20, 0]
    assert take(rows, 0, 0)["x"].shape == (0,)


def test_made_up_features_are_in_the_range_of_the_models_own(version: Path) -> None:
    specs = regression_model().signature
    rows = synthetic(specs, 4000, seed=0, directory=version)["features"]
    assert specs.inputs[0].accepts(rows.shape)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows.mean(axis=0)[:4], [1e3, -5.0, 0.1, 40.0], rtol=0.05)
    np.testing.assert_allclose(rows.std(axis=0)[:4], [120.0, 2.0, 0.05, 9.0], rtol=0.1)


def test_made_up_rows_fit_any_signature(tmp_path: Path) -> None:
    specs = Signature(
        (
            TensorSpec("pixels", "UINT8", (-1, 3, 4, 4)),
            TensorSpec("scaled", "FP64", (-1, 2)),
            TensorSpec("tokens", "INT64", (-1, -1)),
            TensorSpec("mask", "BOOL", (-1, -1)),
        ),
        (),
    )
    rows = synthetic(specs, 5, seed=1, directory=tmp_path)
    for spec in specs.inputs:
        assert spec.accepts(rows[spec.name].shape)
        assert rows[spec.name].dtype == spec.dtype
    assert rows["pixels"].max() > 100
    assert (rows["scaled"] < 1).all()
    again = synthetic(specs, 5, seed=1)
    np.testing.assert_array_equal(rows["pixels"], again["pixels"])
