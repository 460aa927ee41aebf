"""Reading an ONNX file that nobody vouches for, and refusing what cannot be served alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import RefusedModel
from models.imports.reasons import reason
from models.lazy import lazy

if TYPE_CHECKING:
    import onnx
else:
    onnx = lazy("onnx")

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Whose operators ONNX Runtime has without further libraries."""
MAX_NESTING = 64
"""Graphs inside of graphs: bodies of loops and branches."""


def read_graph(file: Path) -> onnx.ModelProto:
    """The model, checked. Raises `RefusedModel` that names what is wrong with it."""
    try:
        model = onnx.load_model(str(file), load_external_data=False)
    except Exception as error:  # protobuf's errors have no public base
        raise RefusedModel(
            f"expected an ONNX model, got a file that cannot be read: {reason(error)}"
        ) from error
    _check_versions(model)
    own = {(function.domain, function.name) for function in model.functions}
    for node in _nodes(model):
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in own:
            raise RefusedModel(
                f"node {node.name[:64]!r}: expected an operator of ONNX or one that the file "
                f"defines, got the custom operator {node.domain[:64]}::{node.op_type[:64]}"
            )
    _check_weights(model)
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # ValidationError, and what its C++ raises on what it cannot take
        raise RefusedModel(f"the ONNX checker refuses the model: {reason(error)}") from error
    return model


def _check_versions(model: onnx.ModelProto) -> None:
    if not 1 <= model.ir_version <= onnx.IR_VERSION:
        raise RefusedModel(
            f"expected IR version 1 to {int(onnx.IR_VERSION)}, got {model.ir_version}"
        )
    if not model.graph.node:
        raise RefusedModel("expected a graph with at least one node, got none")
    newest = onnx.defs.onnx_opset_version()
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx") and not 1 <= opset.version <= newest:
            raise RefusedModel(f"expected opset 1 to {newest}, got {opset.version}")


def _check_weights(model: onnx.ModelProto) -> None:
    """A file is imported alone; and a path in it could name any file of this machine."""
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise RefusedModel(
                f"tensor {tensor.name[:64]!r}: expected its data inside of the file, got external "
                "data; save the model as one file"
            )


def _graphs(model: onnx.ModelProto) -> Iterator[Any]:
    """The graph, those inside of its nodes, and the bodies of functions."""
    waiting: list[tuple[Any, int]] = [(part, 0) for part in (model.graph, *model.functions)]
    while waiting:
        graph, depth = waiting.pop()
        yield graph
        if depth > MAX_NESTING:
            raise RefusedModel(f"expected at most {MAX_NESTING} graphs inside of each other")
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append((attribute.g, depth + 1))
                waiting += [(inner, depth + 1) for inner in attribute.graphs]


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    for graph in _graphs(model):
        yield from graph.node


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    for graph in _graphs(model):
        yield from getattr(graph, "initializer", ())  # a function has none
        for sparse in getattr(graph, "sparse_initializer", ()):
            yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)
                for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                    yield from (sparse.values, sparse.indices)
