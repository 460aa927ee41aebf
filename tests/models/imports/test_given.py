"""The signature that comes with a state dict, and the first bytes of a file."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import RefusedModel
from models.imports import heads
from models.imports.given import given_signature, inferred_input
from models.signature import DATATYPES, Signature, TensorSpec

NAMES = tuple(DATATYPES)
X: dict[str, Any] = {"name": "x", "datatype": "FP32", "shape": [-1, 2], "columns": ["a", "b"]}
Y: dict[str, Any] = {"name": "y", "datatype": "INT64", "shape": [-1]}


def given(*, inputs: Any = (X,), outputs: Any = (Y,), **more: Any) -> Signature | None:
    parts = {"inputs": inputs, "outputs": outputs}
    listed = {key: [*one] if isinstance(one, tuple) else one for key, one in parts.items()}
    return given_signature({**listed, **more}, NAMES)


def test_a_signature_is_read_as_a_version_shows_it() -> None:
    made = given()
    assert made == Signature(
        (TensorSpec("x", "FP32", (-1, 2), ("a", "b")),), (TensorSpec("y", "INT64", (-1,)),)
    )
    assert made is not None
    assert given_signature(made.to_json(), NAMES) == made
    assert given_signature(None, NAMES) is None


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"inputs": None}, "inputs: expected a list of at least one tensor, got NoneType"),
        ({"outputs": ()}, "outputs: expected a list of at least one tensor, got list"),
        ({"inputs": (7,)}, "inputs.0: expected an object, got int"),
        ({"inputs": (X, X)}, "inputs: expected names of their own, got one name twice"),
        ({"inputs": (X, Y, {**Y, "name": "z"})}, "inputs: expected at most 2, got 3"),
        ({"shapes": []}, "shapes: expected only inputs and outputs, got an unknown field"),
        ({"inputs": ({**X, "name": "a\x00"},)}, "inputs.0.name: expected 1 to 256 printable"),
        ({"inputs": ({**X, "datatype": "BF16"},)}, "inputs.0.datatype: expected one of BOOL"),
        ({"inputs": ({**X, "datatype": ["FP32"]},)}, "got ['FP32']"),
        ({"inputs": ({**X, "shape": [1, 2]},)}, "inputs.0.shape: expected -1, the batch"),
        ({"inputs": ({**X, "shape": [-1, 0]},)}, "got [-1, 0]"),
        ({"inputs": ({**X, "shape": [-1, True]},)}, "got [-1, True]"),
        ({"inputs": ({**X, "shape": []},)}, "got []"),
        ({"inputs": ({**X, "shape": [-1] * 9},)}, "inputs.0.shape"),
        ({"inputs": ({**X, "shape": [-1, 1 << 40]},)}, "at most 4194304 numbers a row"),
        ({"inputs": ({**X, "columns": ["a"]},)}, "inputs.0.columns: expected a name for each"),
        ({"inputs": ({**X, "columns": ["a", 1]},)}, "got ['a', 1]"),
        ({"inputs": ({**Y, "columns": ["a"]},)}, "inputs.0.columns"),
    ],
)
def test_what_is_no_signature_is_named(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedModel) as caught:
        given(**parts)
    assert caught.value.field == "signature"
    assert words in str(caught.value)


def test_a_net_of_features_tells_its_input_and_another_needs_a_signature() -> None:
    net = {"name": "mlp", "inputs": 7, "outputs": 2}
    assert inferred_input({"net": net}) == TensorSpec("features", "FP32", (-1, 7))
    with pytest.raises(RefusedModel, match="the net 'cnn' does not tell the shape of its input"):
        inferred_input({"net": {"name": "cnn"}})


@pytest.mark.parametrize(
    ("head", "size", "wanted"),
    [
        (b"\x08\x0a\x12\x05torch", 99, "onnx"),
        (b"\x3a\x05", 99, "onnx"),
        (b"\xa2\x01\x02", 99, "onnx"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x00{}", 10, "safetensors"),
    ],
)
def test_a_file_may_be_what_it_should_be(head: bytes, size: int, wanted: Any) -> None:
    heads.check(head, size, wanted)


@pytest.mark.parametrize(
    ("head", "size", "wanted", "words"),
    [
        (b"\xff\x01", 2, "onnx", "begins with"),
        (b"\x09", 1, "onnx", "begins with"),
        (b"hello", 5, "onnx", "a file that begins with b'hello'"),
        (b"GGUF", 4, "onnx", "a GGUF file"),
        (b"\x02\x00\x00\x00\x00\x00\x00\x00{}", 9, "safetensors", "begins with"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10, "safetensors", "begins with"),
    ],
)
def test_a_file_of_another_kind_is_not_opened(
    head: bytes, size: int, wanted: Any, words: str
) -> None:
    with pytest.raises(RefusedModel, match=words):
        heads.check(head, size, wanted)
