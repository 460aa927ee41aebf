"""What the exported files hold, and what they must not."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import onnx
import pytest

from models.backends.onnxruntime import forget_sources
from tests.support.models import Exported

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]


def test_no_file_names_this_machine(exported: Exported) -> None:
    here = str(ROOT).encode()
    for file in exported.directory.iterdir():
        parts = [file.read_bytes()]
        if zipfile.is_zipfile(io.BytesIO(parts[0])):
            with zipfile.ZipFile(file) as archive:
                parts += [archive.read(name) for name in archive.namelist()]
        assert not any(here in part or b"site-packages" in part for part in parts), file.name


def test_onnx_is_one_checked_file_with_the_signatures_names(exported: Exported) -> None:
    model = onnx.load(exported.directory / "model.onnx", load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    trained = exported.trained
    for specs, values in (
        (trained.signature.inputs, model.graph.input),
        (trained.signature.outputs, model.graph.output),
    ):
        assert [value.name for value in values] == [spec.name for spec in specs]
        assert all(value.type.tensor_type.shape.dim[0].dim_param == "batch" for value in values)
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_notes_of_the_exporter_are_dropped_in_branches_and_functions_too() -> None:
    note = onnx.StringStringEntryProto(key="stack_trace", value=str(ROOT))
    model = onnx.parser.parse_model(
        """
        <ir_version: 10, opset_import: ["": 20, "local": 1]>
        main (bool c, float[n] x) => (float[n] y) {
            y = If (c) <
                then_branch = yes () => (float[n] a) { a = local.twice (x) },
                else_branch = no () => (float[n] b) { b = Neg (x) }
            >
        }
        <domain: "local", opset_import: ["": 20]>
        twice (x) => (y) { y = Add (x, x) }
        """
    )
    branch = model.graph.node[0].attribute[0].g
    for part in (model.functions[0], model.functions[0].node[0], branch, branch.node[0]):
        part.metadata_props.append(note)
    forget_sources(model)
    assert str(ROOT).encode() not in model.SerializeToString()
    onnx.checker.check_model(model, full_check=True)
