"""Messages to arrays: typed and raw, of every datatype, and what is wrong with the wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from api.grpc import requests
from api.grpc.contents import FIELDS
from models.signature import BYTES, DATATYPES
from services.errors import Invalid, ServiceError
from services.serving import wire
from services.serving.errors import Unsupported
from services.serving.versions import ServedVersion
from tests.services.serving.conftest import tensor, version

pb: Any = service_pb2

ALL = [*DATATYPES, BYTES]
VALUES: dict[str, list[Any]] = {
    **{name: [0, 1, 2, 3] for name in DATATYPES},
    "BOOL": [True, False, True, True],
    BYTES: [b"a", b"", "é".encode(), b"d"],
}


def of(datatype: str) -> ServedVersion:
    return version([tensor("x", datatype, [-1, 2])])


def array(datatype: str) -> np.ndarray[Any, Any]:
    return np.array(VALUES[datatype], DATATYPES.get(datatype, object)).reshape(2, 2)


def message(datatype: str, *, raw: bytes | None = None, name: str = "x", **more: Any) -> Any:
    """Two rows of two, in the message's own field unless they come as `raw`."""
    made = pb.ModelInferRequest(model_name="demo")
    given = made.inputs.add(name=name, datatype=datatype, shape=more.get("shape", [2, 2]))
    if raw is not None:
        made.raw_input_contents.append(raw)
    else:
        field = more.get("field", FIELDS.get(datatype, "fp32_contents"))
        getattr(given.contents, field).extend(more.get("values", VALUES.get(datatype, [0] * 4)))
    return made


def refusal(asked: Any, served: ServedVersion) -> str:
    with pytest.raises(Invalid) as caught:
        requests.read(asked, served)
    return caught.value.detail


@pytest.mark.parametrize("datatype", ALL)
def test_every_datatype_raw_and_typed(datatype: str) -> None:
    raw = wire.write(array(datatype), datatype)
    forms = [message(datatype, raw=raw)]
    if datatype in FIELDS:
        forms.append(message(datatype))
    for asked in forms:
        request = requests.read(asked, of(datatype))
        assert request.rows == 2
        assert request.inputs["x"].dtype == array(datatype).dtype
        assert request.inputs["x"].tolist() == array(datatype).tolist()


def test_half_floats_have_no_typed_form() -> None:
    expected = "input 'x': expected {} as raw_input_contents, got contents"
    for datatype in ("FP16", "BF16"):
        assert refusal(message(datatype), of("FP32")) == expected.format(datatype)


@pytest.mark.parametrize("datatype", ALL)
def test_a_wrong_tensor_is_told_what_was_expected_and_what_came(datatype: str) -> None:
    served = of(datatype)
    raw = wire.write(array(datatype), datatype)
    shape = "input 'x': expected shape [-1, 2], got [2, 3]"
    assert refusal(message(datatype, raw=raw, shape=[2, 3]), served) == shape
    assert "integers from 0 in its shape, got -1" in refusal(
        message(datatype, raw=raw, shape=[-1, 2]), served
    )
    assert "33 dimensions" in refusal(message(datatype, raw=raw, shape=[1] * 33), served)
    assert "got shape" not in refusal(message(datatype, raw=b""), served)
    for wrong in (raw[:-1], raw + b"\0", b""):
        said = refusal(message(datatype, raw=wrong), served)
        assert said.startswith("input 'x': expected ")
        assert " bytes" in said
    other = "FP64" if datatype == "INT8" else "INT8"
    assert refusal(message(other, raw=raw), served) == (
        f"input 'x': expected datatype {datatype}, got '{other}'"
    )
    if datatype in FIELDS:
        few = refusal(message(datatype, values=VALUES[datatype][:3]), served)
        assert few == (
            f"input 'x': expected 4 values in {FIELDS[datatype]} for shape [2, 2], got 3"
        )
        field = "fp32_contents" if datatype == "FP64" else "fp64_contents"
        elsewhere = refusal(message(datatype, field=field, values=[0.0] * 4), served)
        assert elsewhere == f"input 'x': expected {datatype} in {FIELDS[datatype]}, got {field}"


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("INT8", 128), ("INT8", -129), ("INT16", 40_000), ("UINT8", 256), ("UINT16", 70_000)],
)
def test_numbers_are_not_wrapped(datatype: str, value: int) -> None:
    said = refusal(message(datatype, values=[0, 0, 0, value]), of(datatype))
    assert said.startswith(f"input 'x': expected {datatype} values, ")
    assert said.endswith(f"got {value}")


def test_a_shape_that_promises_more_than_there_is_costs_nothing() -> None:
    for datatype in ALL:
        said = refusal(message(datatype, raw=b"", shape=[2**31 - 1, 2]), of(datatype))
        assert said.startswith("input 'x': expected at ") or " bytes for shape" in said


def _missing(asked: Any) -> None:
    del asked.inputs[:]


def _twice(asked: Any) -> None:
    asked.inputs.append(asked.inputs[0])


def _both(asked: Any) -> None:
    asked.raw_input_contents.append(b"\0" * 16)


def _too_many(asked: Any) -> None:
    asked.inputs[0].ClearField("contents")
    asked.raw_input_contents.extend([b"", b""])


def _outputs(*names: str, **parameters: Any) -> Callable[[Any], None]:
    def change(asked: Any) -> None:
        for name in names:
            output = asked.outputs.add(name=name)
            for key, value in parameters.items():
                output.parameters[key].int64_param = value

    return change


def _parameter(name: str, field: str, value: Any) -> Callable[[Any], None]:
    def change(asked: Any) -> None:
        setattr(asked.parameters[name], field, value)

    return change


def _empty(asked: Any) -> None:
    asked.parameters["backend"].SetInParent()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_missing, "input 'x': expected in the request, got none"),
        (_twice, "input 'x': expected once, got it twice"),
        (_both, "input 'x': expected contents or raw_input_contents, got both"),
        (_too_many, "raw_input_contents: expected 1, one for each input, got 2"),
        (_outputs("z"), "outputs: expected outputs y, got 'z'"),
        (_outputs("y", "y"), "outputs: expected each output once"),
        (_outputs("y", classification=-1), "classification: expected an integer from 0, got -1"),
        (
            _parameter("timeout", "int64_param", -1),
            "timeout: expected an integer from 0, got -1",
        ),
        (
            _parameter("timeout", "string_param", "1"),
            "timeout: expected an integer, got a string",
        ),
        (
            _parameter("backend", "bool_param", True),
            "backend: expected a string, got true or false",
        ),
        (_empty, "backend: expected a string, got nothing"),
    ],
)
def test_what_else_can_be_wrong(change: Callable[[Any], None], said: str) -> None:
    asked = message("FP32")
    change(asked)
    assert refusal(asked, of("FP32")) == said


def test_an_unknown_input_is_told_the_known_ones() -> None:
    assert refusal(message("FP32", name="q" * 100), of("FP32")) == (
        f"inputs: expected inputs x, got '{'q' * 64}'"
    )


def test_shared_memory_is_not_there() -> None:
    asked = message("FP32")
    asked.inputs[0].parameters["shared_memory_region"].string_param = "r"
    with pytest.raises(Unsupported, match="input 'x': shared memory is not supported"):
        requests.read(asked, of("FP32"))
    asked = message("FP32")
    _outputs("y", shared_memory_region=1)(asked)
    with pytest.raises(ServiceError, match="output 'y': shared memory is not supported"):
        requests.read(asked, of("FP32"))


def test_what_is_asked_for() -> None:
    asked = message("FP32")
    asked.id = "mine"
    asked.parameters["backend"].string_param = "eager"
    asked.parameters["timeout"].uint64_param = 5
    asked.parameters["unknown"].double_param = 1.5
    _outputs("y", classification=2)(asked)
    request = requests.read(asked, of("FP32"))
    assert (request.id, request.backend, request.timeout_us) == ("mine", "eager", 5)
    assert [(one.name, one.classes) for one in request.outputs] == [("y", 2)]
