"""The built-in datasets. Torch-free: the API lists and previews them.

A new one is a file here that exports `DATASET`, and a line in the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.data import digits, mnist, moons, synthetic_linear
from models.data.base import Builtin, Dataset, DatasetInfo
from models.run import Reporter

__all__ = ["BUILTIN", "LOADERS", "Dataset", "DatasetInfo", "available", "load", "preview"]

LOADERS: dict[str, Builtin] = {
    builtin.info.id: builtin
    for builtin in (digits.DATASET, mnist.DATASET, moons.DATASET, synthetic_linear.DATASET)
}
BUILTIN: dict[str, DatasetInfo] = {name: builtin.info for name, builtin in LOADERS.items()}


def available(dataset_id: str, data_dir: Path) -> bool:
    """Whether `load` would succeed without a network. `KeyError` for an unknown id."""
    return LOADERS[dataset_id].available(data_dir)


def load(dataset_id: str, data_dir: Path, report: Reporter) -> Dataset:
    """The whole dataset, downloaded to `data_dir` if it has to be. `KeyError` for an unknown id.

    Raises `DatasetUnavailable`, saying what to do.
    """
    return LOADERS[dataset_id].load(data_dir, report)


def preview(dataset_id: str, data_dir: Path, rows: int = 10) -> dict[str, Any]:
    """The first rows as JSON: `columns` and their values, or pixels in [0, 1] with their label.

    Never downloads: raises `DatasetUnavailable` where `available` is false, `KeyError` for an
    unknown id.
    """
    info = BUILTIN[dataset_id]
    inputs, targets = LOADERS[dataset_id].first(data_dir, rows)
    labels = [_label(info, target) for target in targets]
    if info.kind == "images":
        shown = [
            {info.target: label, "pixels": pixels.round(4).tolist()}
            for pixels, label in zip(inputs, labels, strict=True)
        ]
        return {"kind": info.kind, "shape": list(info.shape), "rows": shown}
    columns = [*(info.features or ()), info.target]
    values = [[*row.tolist(), label] for row, label in zip(inputs, labels, strict=True)]
    return {"kind": info.kind, "columns": columns, "rows": values}


def _label(info: DatasetInfo, target: Any) -> str | float:
    return float(target.item()) if info.classes is None else info.classes[int(target)]
