"""What `/v1/…/predict` answers: rows, and class names where the model is a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from services.errors import Invalid
from services.ids import new_id
from services.serving import texts
from services.serving.versions import ServedVersion


def encode(served: ServedVersion, backend: str, outputs: Mapping[str, NDArray[Any]]) -> bytes:
    """The JSON of a prediction. Raises `Invalid` (`not_finite`, `not_text`)."""
    for name, array in outputs.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise Invalid(
                f"output {name!r} has NaN or infinite values, which JSON cannot hold; "
                "ask /v2 for binary data",
                code="not_finite",
            )
    answer: dict[str, Any] = {
        "id": new_id("pred"),
        "model": served.name,
        "version": served.version,
        "backend": backend,
        "outputs": _rows(outputs),
    }
    probabilities = _probabilities(served, outputs)
    if served.classes is not None and probabilities is not None:
        answer["labels"] = [served.classes[index] for index in probabilities.argmax(axis=1)]
        answer["probabilities"] = probabilities
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _rows(outputs: Mapping[str, NDArray[Any]]) -> Any:
    """The rows of the one output, or objects that hold the outputs by name."""
    columns = {name: _plain(array, name) for name, array in outputs.items()}
    if len(columns) == 1:
        return next(iter(columns.values()))
    count = min(len(column) for column in columns.values())
    return [{name: column[row] for name, column in columns.items()} for row in range(count)]


def _plain(array: NDArray[Any], name: str) -> NDArray[Any] | list[Any]:
    """What orjson writes: it takes arrays of numbers, and text only in lists."""
    if array.dtype.kind == "O":
        return texts.to_strings(array, name).tolist()
    return np.ascontiguousarray(array)


def _probabilities(
    served: ServedVersion, outputs: Mapping[str, NDArray[Any]]
) -> NDArray[Any] | None:
    """The output with a column for each class; None where the model does not classify rows."""
    width = len(served.classes or ())
    for array in outputs.values():
        if array.ndim == 2 and array.shape[1] == width and array.dtype.kind != "O":
            return np.ascontiguousarray(array)
    return None
