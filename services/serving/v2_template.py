"""Answers to requests that ask for the same: all of the JSON but the numbers is written once."""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
import orjson

from models.signature import BYTES
from services.serving import v2_response
from services.serving.batching import Outputs
from services.serving.v2_request import InferRequest
from services.serving.versions import ServedVersion

MAX_SHAPES = 64
DATA, TAIL = b'"data":', b"}]}"


class Alike(NamedTuple):
    """Several answers that differ in their values only, which stand between the same bytes."""

    opening: bytes
    values: list[bytes]
    closing: bytes
    head_length: int | None
    """That of `Template.encode`."""


class Template:
    """`encode` gives what `whole` does, which the first answer of a shape is from."""

    def __init__(self, request: InferRequest, served: ServedVersion, backend: str) -> None:
        self.request = request
        self.served = served
        self.backend = backend
        first = request.outputs[0]
        self._name = first.name
        self._binary = first.binary
        self._simple = (
            len(request.outputs) == 1
            and not first.classes
            and served.outputs[first.name].datatype != BYTES
            and sys.byteorder == "little"
        )
        self._heads: dict[tuple[int, ...], bytes] = {}

    def whole(self, outputs: Outputs) -> tuple[bytes, int | None]:
        """What `encode` says, by one who knows nothing of answers before this one."""
        return v2_response.encode(self.request, self.served, self.backend, outputs)

    def encode(self, outputs: Outputs) -> tuple[bytes, int | None]:
        """→ the body, and the length of its JSON if binary tensors follow it. Raises `Invalid`."""
        if not self._simple:
            return self.whole(outputs)
        array = outputs[self._name]
        head = self._heads.get(array.shape) or self._learn(outputs)
        if self._binary:
            return head + array.tobytes(), len(head)
        return b"".join((head, v2_response.flat_json(array, self._name), TAIL)), None

    def encode_all(self, outputs: Outputs, count: int) -> Alike | None:
        """The same for `count` requests, whose rows lie one behind the other in `outputs`; None
        where each has to be looked at by itself."""
        array = outputs[self._name]
        if not self._simple or not array.size or array.dtype.kind == "O":
            return None
        rows = len(array) // count
        shape = (rows, *array.shape[1:])
        head = self._heads.get(shape) or self._learn({self._name: array[:rows]})
        if self._binary:
            whole, size = array.tobytes(), array.nbytes // count
            values = [whole[start : start + size] for start in range(0, len(whole), size)]
            return Alike(head, values, b"", len(head))
        lists = np.ascontiguousarray(array).reshape(count, -1)
        text = orjson.dumps(lists, option=orjson.OPT_SERIALIZE_NUMPY)
        if b"null" in text:  # NaN or infinity, in one of them
            return None
        return Alike(head + b"[", text[2:-2].split(b"],["), b"]" + TAIL, None)

    def _learn(self, outputs: Outputs) -> bytes:
        whole, length = self.whole(outputs)
        if length is None:  # numbers hold no key, and nothing but brackets comes behind them
            length = whole.rindex(DATA) + len(DATA)
        if len(self._heads) >= MAX_SHAPES:
            self._heads.clear()
        head = self._heads[outputs[self._name].shape] = whole[:length]
        return head
