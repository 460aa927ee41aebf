"""Requests that are like one before, but for their numbers: read without parsing their JSON again.

Clients send the same JSON in every request, around other numbers. What a whole parse has found in
it holds for every body whose JSON is the same, byte for byte, outside the numbers. So it is kept by
these bytes, and a body that has them needs no more than its numbers read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import simdjson
from numpy.typing import NDArray

if TYPE_CHECKING:  # versions hold their plans, and requests are parsed for versions
    from services.serving.v2_request import InferRequest

MAX_PLANS = 128
"""Of one version; then all are forgotten, which costs each client one more parse."""
MAX_JSON = 2048
"""Bytes around the numbers: what is longer is parsed each time."""

KEY = b'"data"'
FLOATS = frozenset("fd")
"""numpy's characters of the datatypes whose JSON is read here: float32, float64."""
WIDE: np.dtype[Any] = np.dtype(np.float64)
"""As which floats are read. A batch makes them the model's own again, and sees whether they fit;
integers are left to a whole parse, which does."""

RAISING = Context()
"""Where a number that is too large raises. `np.errstate` makes such a context anew each time, which
takes four times as long as to convert a row."""
RAISING.run(np.seterr, over="raise")

Arrays = dict[str, NDArray[Any]]
Buffer = bytes | memoryview


class _Source(NamedTuple):
    """Where an input of a plan comes from: `offset` in raw bytes."""

    name: str
    dtype: np.dtype[Any]
    numbers: int
    offset: int
    shape: tuple[int, ...]


@dataclass(slots=True)
class Known:
    request: InferRequest
    """Without its inputs."""
    sources: tuple[_Source, ...]
    size: int
    """Bytes of the inputs: behind the JSON, or what its numbers are read into."""
    routes: dict[Any, Any] = field(default_factory=dict[Any, Any])
    """Whoever answers such requests keeps here what its answers have in common."""

    def arrays(self, values: Buffer) -> Arrays:
        """The inputs of one request, floats perhaps wider than the model's."""
        return {
            name: np.frombuffer(values, dtype, numbers, offset).reshape(shape)
            for name, dtype, numbers, offset, shape in self.sources
        }

    def joined(self, several: Sequence[Buffer], dtypes: Mapping[str, np.dtype[Any]]) -> Arrays:
        """The inputs of several requests, one behind the other, as the model takes them.

        Raises `FloatingPointError` for numbers that its datatype cannot hold.
        """
        name, dtype, numbers, _, shape = self.sources[0]
        if len(self.sources) > 1 or not numbers:
            each = [self.arrays(values) for values in several]
            return {
                name: np.concatenate([one[name] for one in each], dtype=dtypes[name])
                for name in each[0]
            }
        values = several[0] if len(several) == 1 else b"".join(several)
        array = np.frombuffer(values, dtype).reshape(-1, *shape[1:])
        if dtype is dtypes[name]:
            return {name: array}
        return {name: RAISING.copy().run(array.astype, dtypes[name], casting="same_kind")}


class Plans:
    """Those of one version: `match` is asked first, `learn` told what a parse made of the rest."""

    def __init__(self) -> None:
        self._known: dict[bytes | tuple[bytes, bytes], Known] = {}
        self._parser = simdjson.Parser()

    def match(self, body: bytes, head_size: int | None) -> tuple[Known, Arrays] | None:
        """→ what is known of the request, and its inputs as `Known.arrays` has them; None if there
        was none like it, or its numbers are not as they should be."""
        found = self.find(body, 0, head_size)
        return None if found is None else (found[0], found[0].arrays(found[1]))

    def find(self, data: bytes, start: int, head_size: int | None) -> tuple[Known, Buffer] | None:
        """The same for a body that starts somewhere in `data`, with its inputs left as they are:
        what several have sent is made arrays of at once, by `Known.joined`."""
        if head_size is not None:
            if head_size < 0:
                return None
            values = start + head_size
            known = self._known.get(data[start:values])
            if known is None or values + known.size != len(data):
                return None
            return known, data[values:]
        opening = data.find(b"[", data.find(KEY, start))
        inner, end = _within(data, opening)
        known = self._known.get((data[start:inner], data[end:]))
        return None if known is None else self._read_json(known, data[opening:end])

    def learn(self, request: InferRequest, body: bytes, head_size: int | None) -> Known:
        """`request` is what `parse` made of `body`, which no plan has matched. → what is known of
        it, to be found by `match` if there may be others like it."""
        made = _raw(request, body, head_size) if head_size is not None else _json(request, body)
        if made is None:
            return Known(request, (), 0)
        if len(self._known) >= MAX_PLANS:
            self._known.clear()
        key, known = made
        self._known[key] = known
        return known

    def _read_json(self, known: Known, text: bytes) -> tuple[Known, Buffer] | None:
        try:
            numbers: Any = self._parser.parse(text)
            values: Buffer = memoryview(numbers.as_buffer(of_type="d"))
        except (ValueError, TypeError, RuntimeError, AttributeError):
            self._parser = simdjson.Parser()  # the traceback may still hold the last document
            return None
        return (known, values) if values.nbytes == known.size else None


def _numbers(body: bytes) -> tuple[int, int] | None:
    """What the only list of numbers stands between, its own brackets among it; None if there are
    others in it, as in nested rows: where such a list ends, its first bracket does not say."""
    key = body.find(KEY)
    start = body.find(b"[", key)
    if key < 0 or start < 0 or body[key + len(KEY) : start].strip() != b":":
        return None
    inner, end = _within(body, start)
    whole, depth = body[start:end], inner - start
    return (inner, end) if whole.count(b"[") == depth == whole.count(b"]") else None


def _within(body: bytes, start: int) -> tuple[int, int]:
    """Where what opens at `start` has opened all its lists, and where it ends, if it closes them
    all at once."""
    end = body.find(b"]", start)
    while body[start : start + 1] == b"[":
        start += 1
        end += 1
    return start, end


def _raw(request: InferRequest, body: bytes, head_size: int) -> tuple[bytes, Known] | None:
    if request.layout is None or head_size > MAX_JSON:
        return None
    sources = tuple(
        _Source(one.spec.name, one.spec.dtype, prod(one.shape), one.offset, one.shape)
        for one in request.layout
    )
    return body[:head_size], Known(_without_inputs(request), sources, len(body) - head_size)


def _json(request: InferRequest, body: bytes) -> tuple[tuple[bytes, bytes], Known] | None:
    """None unless the one list of numbers is the data of the one input, whatever they are: there
    must be one `"data"` in all of the JSON, and no other spelling of it."""
    where = _numbers(body)
    if where is None or len(request.inputs) != 1:
        return None
    before, after = body[: where[0]], body[where[1] :]
    if before.count(KEY) != 1 or KEY in after or b"\\" in before or b"\\" in after:
        return None
    if len(before) + len(after) > MAX_JSON:
        return None
    ((name, array),) = request.inputs.items()
    if array.dtype.char not in FLOATS:
        return None
    source = _Source(name, WIDE, array.size, 0, array.shape)
    return (before, after), Known(_without_inputs(request), (source,), array.size * WIDE.itemsize)


def _without_inputs(request: InferRequest) -> InferRequest:
    return replace(request, inputs={}, layout=None)
