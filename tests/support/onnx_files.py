"""Small ONNX files, good and bad, as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnx import ModelProto, TensorProto, helper

TYPES: dict[str, int] = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}
"""By the Open Inference Protocol's names."""

Shape = Sequence[int | str]
ROWS: Shape = ("n", 3)


def value(name: str, kind: int = TensorProto.FLOAT, shape: Shape | None = ROWS) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: Sequence[Any] | None = None,
    *,
    inputs: Sequence[Any] | None = None,
    outputs: Sequence[Any] | None = None,
    weights: Sequence[Any] = (),
    opset: int = 21,
    ir_version: int = 10,
    domains: Sequence[str] = (),
) -> ModelProto:
    """By default `y` is `x`, three FP32 numbers a row."""
    graph = helper.make_graph(
        nodes or [helper.make_node("Identity", ["x"], ["y"])],
        "graph",
        [value("x")] if inputs is None else inputs,
        [value("y")] if outputs is None else outputs,
        initializer=weights,
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def every_datatype() -> bytes:
    """An input and an output of each datatype, the same rows in and out."""
    return model(
        [helper.make_node("Identity", [f"{name}_in"], [f"{name}_out"]) for name in TYPES],
        inputs=[value(f"{name}_in", kind) for name, kind in TYPES.items()],
        outputs=[value(f"{name}_out", kind) for name, kind in TYPES.items()],
    ).SerializeToString()


def endless() -> ModelProto:
    """A loop whose body asks for one more round each time; 2⁶³ of them at most."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["again"]),
            helper.make_node("Identity", ["before"], ["after"]),
        ],
        "body",
        [
            value("round", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("before"),
        ],
        [value("again", TensorProto.BOOL, []), value("after")],
    )
    return model(
        [helper.make_node("Loop", ["", "yes", "x"], ["y"], body=body)],
        weights=[helper.make_tensor("yes", TensorProto.BOOL, [], [True])],
    )


def hungry() -> ModelProto:
    """Asks for 16 GiB, a number of which depends on the row so that nothing is folded away."""
    size = helper.make_tensor("size", TensorProto.INT64, [2], [1 << 16, 1 << 16])
    return model(
        [
            helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
            helper.make_node("Expand", ["sum", "size"], ["large"]),
            helper.make_node("ReduceMax", ["large"], ["most"], keepdims=0),
            helper.make_node("Add", ["x", "most"], ["y"]),
        ],
        weights=[size],
    )
