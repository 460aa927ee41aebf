"""Models that were trained elsewhere: imported, served, or refused with nothing left behind."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from onnx import ModelProto, TensorProto, helper
from safetensors.numpy import save

from services.container import Container
from services.importer import Importer
from services.settings import Settings
from tests.api.conftest import Api, served
from tests.api.test_bad_input import in_form
from tests.services.conftest import RecordingQueue
from tests.support import onnx_files
from tests.support.models import regression_model
from tests.support.onnx_files import TYPES, model, value

LIMIT_S = 30.0


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Api]:
    """One application for all of these tests, each with models of its own names."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("idle"),
        max_body_bytes=1 << 20,
        import_limit_s=LIMIT_S,
        import_memory_bytes=1 << 30,
    )
    shutil.copy(template, settings.data_dir)
    container = Container(settings, queue=RecordingQueue())
    with pytest.MonkeyPatch.context() as patch, served(container) as running:
        temporary = tmp_path_factory.mktemp("temporary")
        patch.setattr(tempfile, "tempdir", str(temporary))
        yield running
        assert not [*temporary.iterdir()]
    container.close()


def send(api: Api, name: str, file: bytes | ModelProto, **fields: str) -> httpx.Response:
    content = file if isinstance(file, bytes) else file.SerializeToString()
    files = {"file": ("model", content)}
    return api.client.post(f"/v1/models/{name}/versions", data=fields, files=files)


def refusal(api: Api, file: bytes | ModelProto, **fields: str) -> dict[str, str]:
    """The one field at fault; nothing is kept."""
    response = send(api, "refused", file, **fields)
    problem: dict[str, Any] = response.json()
    in_form(response, v2=False)
    assert (response.status_code, problem["code"]) == (422, "invalid_model"), problem
    assert api.client.get("/v1/models/refused").status_code == 404
    assert not (api.container.settings.files_dir / "models" / "refused").exists()
    (error,) = problem["errors"]
    return error


ANSWERS: dict[str, list[Any]] = {
    **{name: [[0, 1, 2], [3, 4, 5]] for name in TYPES},
    "BOOL": [[True, False, True], [False, False, True]],
    "BYTES": [["", "a", "é"], ["torch", "x y", "☃"]],
}


def test_a_model_of_every_datatype_is_imported_and_answers(idle: Api) -> None:
    file = onnx_files.every_datatype()
    fields = {"lineage": "made by hand", "metadata": '{"team": "vision"}'}
    response = send(idle, "types", file, **fields)
    made = response.json()
    assert response.status_code == 201, made
    assert response.headers["Location"] == "/v1/models/types/versions/1"
    assert made == idle.client.get("/v1/models/types/versions/champion").json()
    assert [
        (one["name"], one["datatype"], one["shape"]) for one in made["signature"]["inputs"]
    ] == [(f"{name}_in", name, [-1, 3]) for name in TYPES]
    assert (made["job_id"], made["aliases"], made["task"]) == (None, ["champion"], "regression")
    assert made["lineage"]["imported"]["file_sha256"] == hashlib.sha256(file).hexdigest()
    assert (made["lineage"]["note"], made["lineage"]["metadata"]) == (
        "made by hand",
        {"team": "vision"},
    )
    assert idle.client.get("/v1/models/types/versions/1/files/model.onnx").content == file
    states = {name: state["status"] for name, state in made["backends"].items()}
    assert {name for name, status in states.items() if status == "certified"} == {"onnxruntime"}
    assert made["backends"]["eager"] == {
        "status": "absent",
        "reason": "imported as ONNX",
        "parity": None,
    }
    parity = made["backends"]["onnxruntime"]["parity"]
    assert (parity["batch_sizes"], parity["max_abs_error"]) == ([1, 2, 7, 32], 0.0)
    assert "each of its rows alone" in parity["tolerance_reason"]
    request = [
        {"name": f"{name}_in", "datatype": name, "shape": [2, 3], "data": ANSWERS[name]}
        for name in TYPES
    ]
    answer = idle.client.post("/v2/models/types/infer", json={"inputs": request})
    assert answer.status_code == 200, answer.text
    assert {
        one["name"]: (one["datatype"], np.array(one["data"]).reshape(one["shape"]).tolist())
        for one in answer.json()["outputs"]
    } == {f"{name}_out": (name, ANSWERS[name]) for name in TYPES}


def test_the_next_version_leaves_the_champion_unless_told(idle: Api) -> None:
    promoted = [
        send(idle, "twice", model(), **fields).json()["aliases"]
        for fields in ({}, {}, {"promote": "always"})
    ]
    assert promoted == [["champion"], [], ["champion"]]
    assert idle.client.get("/v1/models/twice").json()["aliases"] == {"champion": 3}


def test_classes_are_names_of_columns(idle: Api) -> None:
    names = json.dumps(["ant", "bee", "cat"])
    made = send(idle, "classes", model(), classes=names)
    assert (made.status_code, made.json()["task"]) == (201, "multiclass")
    answer = idle.client.post("/v1/models/classes/predict", json={"inputs": [[0.1, 0.7, 0.2]]})
    assert answer.json()["labels"] == ["bee"]
    assert refusal(idle, model(), classes='["ant", "bee"]') == {
        "field": "classes",
        "message": "expected as many as an output has columns (3), got 2",
    }


def sequence() -> ModelProto:
    made = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
    return model([helper.make_node("SequenceConstruct", ["x"], ["y"])], outputs=[made])


def external() -> ModelProto:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [3], [1, 2, 3])
    weight.ClearField("float_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/hostname")
    return model([helper.make_node("Add", ["x", "w"], ["y"])], weights=[weight])


def changed(shape: Any, kind: int = TensorProto.FLOAT) -> ModelProto:
    return model(inputs=[value("x", kind, shape)], outputs=[value("y", kind, shape)])


FOO = helper.make_node("Foo", ["x"], ["y"], "nod", domain="com.acme")

REFUSED: dict[str, tuple[ModelProto | bytes, str]] = {
    "an empty file": (b"", "expected an ONNX model, got an empty file"),
    "a pickle": (b"\x80\x04K\x01.", "got a pickle, which runs code when it is opened"),
    "a zip": (b"PK\x03\x04" + b"0" * 99, "got a zip archive"),
    "a truncated file": (onnx_files.every_datatype()[:-40], "a file that cannot be read"),
    "no graph": (b"\x08\x0a", "expected a graph with at least one node, got none"),
    "a batch of one": (changed([1, 3]), "input 'x': expected a first dimension that varies"),
    "a scalar": (changed([]), "input 'x': expected a shape whose first dimension is the batch"),
    "an unknown shape": (changed(None), "Field 'shape' of 'type' is required but missing"),
    "huge rows": (changed(["n", 1 << 40]), "input 'x': expected at most 16777216 bytes a row"),
    "bfloat16": (changed(["n", 3], TensorProto.BFLOAT16), "UINT8, UINT16, UINT32, UINT64, INT8"),
    "a sequence": (sequence(), "output 'y': expected a tensor, got seq(tensor(float))"),
    "external data": (external(), "tensor 'w': expected its data inside of the file"),
    "a custom operator": (
        model([FOO], domains=["com.acme"]),
        "node 'nod': expected an operator of ONNX or one that the file defines, "
        "got the custom operator com.acme::Foo",
    ),
    "an unknown operator": (model([helper.make_node("Foo", ["x"], ["y"])]), "No Op registered"),
    "a later opset": (model(opset=99), "expected opset 1 to 28, got 99"),
    "a later format": (model(ir_version=99), "expected IR version 1 to 14, got 99"),
    "another type": (
        model(outputs=[value("y", TensorProto.INT64)]),
        "Type (tensor(int64)) of output arg (y) of node () does not match",
    ),
    "rows that mix": (
        model([helper.make_node("Softmax", ["x"], ["y"], axis=0)]),
        "output 'y': expected of a batch of 2 rows the answers that each row gets alone",
    ),
    "no numbers": (
        model([helper.make_node("Sub", ["x", "x"], ["z"]), helper.make_node("Log", ["z"], ["y"])]),
        "output 'y': at batch size 1: expected finite numbers, got NaN or infinity",
    ),
    "too much memory": (onnx_files.hungry(), "Failed to allocate memory"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_served_is_refused_with_the_reason(idle: Api, what: str) -> None:
    file, words = REFUSED[what]
    error = refusal(idle, file)
    assert error["field"] == "file"
    assert words in error["message"]
    assert "/tmp" not in error["message"]
    assert "onnxruntime_src" not in error["message"]


def test_a_model_that_never_ends_is_ended(idle: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient = Importer(limit_s=2.0)
    monkeypatch.setattr(idle.container.imports, "_importer", impatient)
    error = refusal(idle, onnx_files.endless())
    assert error["message"] == "expected a model that is checked within 2 s, got none yet"
    impatient.close()
    stopping = send(idle, "refused", model())
    assert (stopping.status_code, stopping.json()["detail"]) == (503, "the service is stopping")


def test_a_process_that_dies_is_no_failure_of_the_service(
    idle: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("/bin/sh", "-c", "kill -SEGV $$")
    monkeypatch.setattr(idle.container.imports, "_importer", Importer(limit_s=9, command=command))
    error = refusal(idle, model())
    assert error["message"] == "the process that checked it was ended by SIGSEGV"


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"classes": "ant"}, "classes", "expected JSON"),
        ({"classes": "[]"}, "classes", "at least 1"),
        ({"classes": '["\\u0000"]'}, "classes", "without NUL"),
        ({"metadata": "[1]"}, "metadata", "expected a valid dictionary"),
        ({"metadata": '{"a":' * 99 + "1" + "}" * 99}, "metadata", "at most 32 levels"),
        ({"task": "magic"}, "task", "got 'magic'"),
        ({"promote": "soon"}, "promote", "got 'soon'"),
        ({"colour": "red"}, "colour", "unknown field"),
        ({"signature": "{}"}, "signature", "expected none without an architecture"),
    ],
)
def test_a_bad_field_is_named(idle: Api, fields: dict[str, str], field: str, words: str) -> None:
    response = send(idle, "refused", model(), **fields)
    assert response.status_code == 422, response.text
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert words in error["message"]


def weights(**changes: Any) -> bytes:
    state = {name: one.numpy() for name, one in regression_model().servable.state_dict().items()}
    return save({name: one for name, one in (state | changes).items() if one is not None})


ARCHITECTURE = json.dumps(regression_model().servable.architecture)


@pytest.mark.long
def test_a_state_dict_is_rebuilt_exported_and_answers_like_the_original(idle: Api) -> None:
    trained = regression_model()
    response = send(idle, "state", weights(), architecture=ARCHITECTURE)
    made: dict[str, Any] = response.json()
    assert response.status_code == 201, made
    certified = [name for name, one in made["backends"].items() if one["status"] == "certified"]
    assert {"eager", "torchscript", "onnxruntime"} <= {*certified}
    assert made["lineage"]["imported"]["format"] == "safetensors"
    assert made["signature"]["inputs"][0]["shape"] == [-1, 5]
    rows = trained.heldout["features"][:4]
    answer = idle.client.post(
        "/v1/models/state/predict?backend=onnxruntime", json={"inputs": rows.tolist()}
    ).json()["outputs"]
    with torch.inference_mode():
        expected = trained.servable(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(answer, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("file", "fields", "field", "words"),
    [
        (weights(), {}, "architecture", "the file is a safetensors state dict, got none"),
        (model(), {"architecture": ARCHITECTURE}, "file", "expected a safetensors state dict"),
        (
            weights(**{"pre.mean": np.zeros(4, np.float32), "net.layers.1.bias": None}),
            {"architecture": ARCHITECTURE},
            "file",
            "net.layers.1.bias: expected shape [16], got no such tensor; "
            "pre.mean: expected shape [5], got [4]",
        ),
        (weights(), {"architecture": '{"pre": {"name": "x"}}'}, "architecture", "no 'net'"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    idle: Api, file: bytes | ModelProto, fields: dict[str, str], field: str, words: str
) -> None:
    error = refusal(idle, file, **fields)
    assert error["field"] == field
    assert words in error["message"]
