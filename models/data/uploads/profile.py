"""What an upload is like, as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.base import Dataset

BLOCK = 1 << 20
"""Numbers that are turned to float64 at once."""


def common(dataset: Dataset) -> dict[str, Any]:
    """What can be said of every kind."""
    info = dataset.info
    return {
        "kind": info.kind,
        "task": info.task,
        "rows": info.rows,
        "shape": list(info.shape),
        "train_rows": len(dataset.train),
        "test_rows": len(dataset.test),
        "sha256": dataset.sha256,
        **_of_target(dataset),
    }


def numbers(values: NDArray[Any]) -> dict[str, float]:
    """Extremes, mean and (population) standard deviation over all elements."""
    flat = values.reshape(-1)
    blocks = [flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK)]
    mean = sum(float(block.sum(dtype=np.float64)) for block in blocks) / flat.size
    spread = sum(
        float(np.square(np.subtract(block, mean, dtype=np.float64)).sum()) for block in blocks
    )
    return {
        "min": rounded(flat.min()),
        "max": rounded(flat.max()),
        "mean": rounded(mean),
        "std": rounded(np.sqrt(spread / flat.size)),
    }


def rounded(value: Any) -> float:
    """To what a float32 knows: 0.1, and not 0.10000000149."""
    return float(f"{float(value):.7g}")


def _of_target(dataset: Dataset) -> dict[str, Any]:
    classes = dataset.info.classes
    if classes is None:
        return {"target": {"name": dataset.info.target, **numbers(dataset.targets)}}
    sizes = np.bincount(dataset.targets, minlength=len(classes)).tolist()
    return {"class_counts": dict(zip(classes, sizes, strict=True))}
