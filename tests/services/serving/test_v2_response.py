from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from models.signature import DATATYPES
from services.errors import Invalid
from services.serving import v2_response
from services.serving.v2_request import InferRequest, WantedOutput
from tests.services.serving.conftest import tensor, version


def encode(
    outputs: dict[str, Any], datatype: str = "FP32", *, binary: tuple[str, ...] = (), **fields: Any
) -> tuple[bytes, int | None]:
    served = version(
        outputs=[tensor(name, datatype, [-1, *array.shape[1:]]) for name, array in outputs.items()]
    )
    wanted = [WantedOutput(name, name in binary) for name in outputs]
    return v2_response.encode(InferRequest({}, 2, wanted, **fields), served, "eager", outputs)


def test_json_outputs_are_flat_and_name_version_and_backend() -> None:
    body, length = encode({"y": np.array([[0.1, 2], [3, 4]], np.float32)}, id='a"b')
    assert length is None
    assert orjson.loads(body) == {
        "model_name": "demo",
        "model_version": "3",
        "parameters": {"backend": "eager"},
        "id": 'a"b',
        "outputs": [
            {"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [0.1, 2.0, 3.0, 4.0]}
        ],
    }


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_survives_both_forms(datatype: str) -> None:
    array = np.arange(6).reshape(3, 2).astype(DATATYPES[datatype])
    body, length = encode({"y": array}, datatype, binary=("y",))
    head = orjson.loads(body[:length])
    assert head["outputs"][0]["parameters"]["binary_data_size"] == array.nbytes
    assert body[length:] == array.tobytes()
    (output,) = orjson.loads(encode({"y": array}, datatype)[0])["outputs"]
    assert np.array(output["data"], array.dtype).reshape(output["shape"]).tolist() == array.tolist()


def test_binary_outputs_follow_in_the_order_of_the_json() -> None:
    first, second = np.float32([[1]]), np.float32([[2]])
    body, length = encode({"a": first, "b": np.float32([[9]]), "c": second}, binary=("a", "c"))
    assert [output.get("data") for output in orjson.loads(body[:length])["outputs"]] == [
        None,
        [9.0],
        None,
    ]
    assert body[length:] == first.tobytes() + second.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_json_cannot_hold_goes_as_bytes_or_not_at_all(value: float) -> None:
    array = np.array([[1.0, value]], np.float32)
    with pytest.raises(Invalid, match="'y' has NaN or infinite values") as caught:
        encode({"y": array})
    assert caught.value.code == "not_finite"
    body, length = encode({"y": array}, binary=("y",))
    assert body[length:] == array.tobytes()


def test_no_rows_are_an_answer() -> None:
    empty = np.empty((0, 2), np.float32)
    assert orjson.loads(encode({"y": empty})[0])["outputs"][0]["data"] == []
    body, length = encode({"y": empty}, binary=("y",))
    assert orjson.loads(body)["outputs"][0]["shape"] == [0, 2]
    assert length == len(body)
