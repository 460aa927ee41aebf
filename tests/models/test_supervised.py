from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.data import idx
from models.errors import DatasetUnavailable
from models.pipelines import PIPELINES
from models.supervised import mean_and_std
from tests.support.mnist_files import write_mnist
from tests.support.runs import context


@given(rows=st.integers(1, 40), columns=st.integers(1, 4), seed=st.integers(0, 1000))
def test_statistics_are_numpys(rows: int, columns: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    table = generator.normal(1e3, 3, (rows, columns)).astype(np.float32)
    images = generator.random((rows, columns, 5, 3)).astype(np.float32)
    for values, axes in ((table, (0,)), (images, (0, 2, 3))):
        mean, std = mean_and_std(values)
        assert mean == pytest.approx(values.mean(axis=axes, dtype=np.float64))
        assert std == pytest.approx(values.std(axis=axes, dtype=np.float64), abs=1e-9)


def test_statistics_of_more_rows_than_a_block() -> None:
    values = np.random.default_rng(0).random((10_000, 2)).astype(np.float32)
    mean, std = mean_and_std(values)
    assert mean == pytest.approx(values.mean(axis=0, dtype=np.float64))
    assert std == pytest.approx(values.std(axis=0, dtype=np.float64))


def test_mnist_trains_where_its_files_are(tmp_path: Path) -> None:
    pipeline = PIPELINES["image-classification"]
    run = context(tmp_path, dataset="mnist")
    write_mnist(run.data_dir)
    outcome = pipeline.run(run, pipeline.params(epochs=1))
    assert (outcome.results["train_rows"], outcome.results["test_rows"]) == (60, 20)
    assert outcome.model is not None
    assert len(outcome.model.heldout["input"]) == 20


def test_mnist_without_files_or_network_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idx, "FETCH", "raise SystemExit(1)")
    pipeline = PIPELINES["image-classification"]
    with pytest.raises(DatasetUnavailable, match="put its four files"):
        pipeline.run(context(tmp_path, dataset="mnist"), pipeline.params())
