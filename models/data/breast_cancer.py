"""Thirty measurements of the cell nuclei of 569 tumours: a real binary classification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.data.base import DatasetInfo
from models.data.bundled import bundled
from models.lazy import lazy

if TYPE_CHECKING:
    from sklearn import datasets
else:
    datasets = lazy("sklearn.datasets")

MEASURED = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)
"""Of every nucleus in a picture; a column each for their mean, its error and the worst three's."""

INFO = DatasetInfo(
    id="breast-cancer",
    title="Breast tumours, malignant or benign, from thirty measurements",
    kind="csv",
    source="UCI Breast Cancer Wisconsin (Diagnostic), as bundled with scikit-learn",
    task="binary",
    bundled=True,
    rows=569,
    shape=(3 * len(MEASURED),),
    features=tuple(
        pattern.format(name) for pattern in ("mean {}", "{} error", "worst {}") for name in MEASURED
    ),
    target="diagnosis",
    classes=("malignant", "benign"),
)


def _read() -> Any:
    return datasets.load_breast_cancer()


DATASET = bundled(INFO, _read)
