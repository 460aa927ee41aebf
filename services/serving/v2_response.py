"""Inference responses of the Open Inference Protocol: JSON, and binary tensors behind it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from models.signature import BYTES
from services.errors import Invalid
from services.serving import classification, texts, wire
from services.serving.v2_request import InferRequest
from services.serving.versions import ServedVersion


def encode(
    request: InferRequest,
    served: ServedVersion,
    backend: str,
    outputs: Mapping[str, NDArray[Any]],
) -> tuple[bytes, int | None]:
    """→ the body, and the length of its JSON if binary tensors follow it.

    Raises `Invalid` for what JSON does not have: NaN and infinity (`not_finite`), bytes that are
    no text (`not_text`).
    """
    parts: list[bytes] = [_opening(served.name, served.version, backend)]
    if request.id is not None:
        parts += (b'"id":', orjson.dumps(request.id), b",")
    parts.append(b'"outputs":[')
    tails: list[bytes] = []
    for index, wanted in enumerate(request.outputs):
        if index:
            parts.append(b",")
        array, datatype = outputs[wanted.name], served.outputs[wanted.name].datatype
        if wanted.classes:
            array, datatype = classification.top(array, wanted.classes, served.classes), BYTES
        parts.append(_head(wanted.name, datatype, array.shape))
        if wanted.binary:
            tail = wire.write(array, datatype)
            tails.append(tail)
            parts.append(b'"parameters":{"binary_data_size":%d}}' % len(tail))
        else:
            parts += (b'"data":', flat_json(array, wanted.name), b"}")
    parts.append(b"]}")
    head = b"".join(parts)
    return (b"".join([head, *tails]), len(head)) if tails else (head, None)


def flat_json(array: NDArray[Any], name: str) -> bytes:
    """All values of `array` in a flat JSON list. Raises `Invalid` as `encode` does."""
    if array.dtype.kind == "O":
        return orjson.dumps(texts.to_strings(array, name).reshape(-1).tolist())
    if array.ndim == 2 and len(array) == 1 and array.flags.c_contiguous:  # most often
        text = orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    else:
        flat = np.ascontiguousarray(array).reshape(-1)
        text = orjson.dumps(flat, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in text:  # what orjson makes of NaN and infinity
        raise Invalid(
            f"output {name!r} has NaN or infinite values, which JSON cannot hold; "
            "ask for binary data",
            code="not_finite",
        )
    return text


@lru_cache(maxsize=1024)
def _opening(name: str, version: int, backend: str) -> bytes:
    fields: dict[str, Any] = {
        "model_name": name,
        "model_version": str(version),
        "parameters": {"backend": backend},
    }
    return orjson.dumps(fields)[:-1] + b","


@lru_cache(maxsize=4096)
def _head(name: str, datatype: str, shape: tuple[int, ...]) -> bytes:
    return orjson.dumps({"name": name, "datatype": datatype, "shape": shape})[:-1] + b","
