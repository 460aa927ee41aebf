"""Embeddings: what one layer makes of each row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import CannotInspect
from models.inspection.activations import record
from models.inspection.layers import find
from models.inspection.subject import Subject
from models.rows import Tensors, row_count

MAX_VALUES = 1 << 20
"""More than that is no embedding any more, and 20 MB of JSON."""


def features(subject: Subject, rows: Tensors, layer: str) -> dict[str, Any]:
    """The output of `layer`, flattened row by row: (rows, size); of its first call, and of its
    first tensor if it gives several. Raises `LayerNotFound` and `CannotInspect`."""
    calls = record(subject, rows, {layer: find(subject.model, layer)})[layer]
    count = row_count(rows)
    found = calls[0][0] if calls and calls[0] else None
    if found is None or not found.ndim or found.shape[0] != count:
        got = "nothing" if found is None else f"shape {list(found.shape)}"
        raise _refused(f"expected a layer with an output for each of {count} rows, got {got}")
    if found.numel() > MAX_VALUES:
        raise _refused(
            f"expected at most {MAX_VALUES} values, got {found.numel()} ({count} rows of shape "
            f"{list(found.shape[1:])}); ask for fewer rows or another layer"
        )
    values: NDArray[Any] = found.reshape(count, -1).numpy()
    if not np.isfinite(values).all():
        raise CannotInspect(
            f"layer {layer!r} gives NaN or infinite values, which JSON cannot hold",
            code="not_finite",
            field="layer",
        )
    return {"layer": layer, "shape": list(found.shape), "features": values}


def _refused(message: str) -> CannotInspect:
    return CannotInspect(message, code="no_features", field="layer")
