"""Ten measurements of 442 patients against how their diabetes went on: a small real regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.data.base import DatasetInfo
from models.data.bundled import bundled
from models.lazy import lazy

if TYPE_CHECKING:
    from sklearn import datasets
else:
    datasets = lazy("sklearn.datasets")

INFO = DatasetInfo(
    id="diabetes",
    title="Diabetes progression after one year, from ten measurements",
    kind="csv",
    source="Efron, Hastie, Johnstone and Tibshirani (2004), as bundled with scikit-learn, unscaled",
    task="regression",
    bundled=True,
    rows=442,
    shape=(10,),
    features=("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"),
    target="progression",
)


def _read() -> Any:
    return datasets.load_diabetes(scaled=False)


DATASET = bundled(INFO, _read)
