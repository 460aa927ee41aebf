"""The input tensors of a v2 request: values in the JSON, or raw bytes behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import simdjson
from numpy.typing import NDArray

from models.signature import TensorSpec
from services.serving import nesting, tensors, wire
from services.serving.refusals import wrong
from services.serving.v2_fields import Fields, invalid, kind
from services.serving.v2_heads import Head, read_heads, row_count
from services.serving.v2_pictures import Pictures
from services.serving.versions import ServedVersion


class Placed(NamedTuple):
    """Where in the body an input's bytes lie, and what they are."""

    spec: TensorSpec
    shape: tuple[int, ...]
    offset: int
    """From the end of the JSON."""
    nbytes: int


class Inputs(NamedTuple):
    arrays: Mapping[str, NDArray[Any]]
    rows: int
    layout: tuple[Placed, ...] | None = None
    pictures: Pictures | None = None


@dataclass(slots=True)
class _Raw:
    """The body, of which the bytes up to `offset` have been read."""

    body: bytes
    offset: int


def read_inputs(document: Fields, body: bytes, head_size: int, served: ServedVersion) -> Inputs:
    """The arrays by name, and how many rows each has. Raises `Invalid` that names the tensor.

    The JSON is the first `head_size` bytes of `body`.
    """
    heads = read_heads(document.get("inputs"), served)
    rows = row_count(heads)
    raw = _Raw(body, head_size)
    if heads[0].is_pictures:  # of a model whose only input they are
        inputs = Inputs({}, rows, pictures=_pictures(heads[0], raw))
    else:
        inputs = Inputs(_arrays(heads, document, raw), rows, layout_of(heads))
    if raw.offset != len(body):
        raise invalid(
            "body",
            f"expected {raw.offset - head_size} bytes of tensors behind the JSON, "
            f"got {len(body) - head_size}",
        )
    return inputs


def _arrays(heads: Sequence[Head], document: Fields, raw: _Raw) -> dict[str, NDArray[Any]]:
    found = raw.body.count(b"[", 0, raw.offset)
    nothing_hidden = found == _bracket_count(heads, document)
    return {one.spec.name: _array(one, raw, nothing_hidden) for one in heads}


def _array(one: Head, raw: _Raw, nothing_hidden: bool) -> NDArray[Any]:
    if one.binary_size is not None:
        size = _take(one, one.binary_size, raw)
        array = wire.read(
            raw.body,
            raw.offset - size,
            size,
            spec=one.spec,
            datatype=one.datatype,
            count=one.count,
        )
        return array.reshape(one.shape)
    if not isinstance(one.data, simdjson.Array):
        raise wrong(
            one.spec.name, f"expected data as a list, or binary_data_size, got {kind(one.data)}"
        )
    if one.datatype != one.spec.datatype:
        raise wrong(
            one.spec.name,
            f"expected {one.datatype} as binary data, or {one.spec.datatype}, got it in JSON",
        )
    return tensors.from_json(one.data, one.spec, one.shape, nothing_hidden=nothing_hidden)


def _take(one: Head, size: int, raw: _Raw) -> int:
    """Go `size` bytes on in the body, if they are there and as many as the input has."""
    if one.data is not None:
        raise wrong(one.spec.name, "expected data or binary_data_size, got both")
    wire.check_size(one.spec.name, one.datatype, one.shape, one.count, size)
    left = len(raw.body) - raw.offset
    if size > left:
        raise wrong(one.spec.name, f"expected {size} bytes behind the JSON, got {left}")
    raw.offset += size
    return size


def _pictures(one: Head, raw: _Raw) -> Pictures:
    if one.binary_size is None:
        raise wrong(one.spec.name, "expected pictures as binary data, got them in JSON")
    size = _take(one, one.binary_size, raw)
    files = wire.elements(raw.body[raw.offset - size : raw.offset], one.spec.name, one.count)
    return Pictures(one.spec, files.tolist())


def layout_of(heads: Sequence[Head]) -> tuple[Placed, ...] | None:
    """None unless `frombuffer` alone makes every input: bytes of a BOOL may be anything, and those
    of another datatype have to be converted."""
    placed: list[Placed] = []
    offset = 0
    for one in heads:
        as_it_is = one.datatype == one.spec.datatype and one.spec.dtype.kind in "iuf"
        if one.binary_size is None or not as_it_is:
            return None
        placed.append(Placed(one.spec, one.shape, offset, one.binary_size))
        offset += one.binary_size
    return tuple(placed)


def _bracket_count(heads: Sequence[Head], document: Fields) -> int:
    """How many `[` the JSON should have: the list of inputs, of outputs, shapes and data."""
    count = 1 + len(heads) + ("outputs" in document)
    for one in heads:
        if isinstance(one.data, simdjson.Array):
            count += nesting.brackets(one.data, one.shape)
    return count
