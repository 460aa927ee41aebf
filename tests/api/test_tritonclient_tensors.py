"""Tensors of every kind by an unmodified tritonclient, and as raw bytes without any."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import ml_dtypes
import numpy as np
import pytest
from PIL import Image

from tests.api.conftest import Process
from tests.support import onnx_files
from tests.support.tritoncalls import expected, heldout, is_right

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # gevent and the generated protobuf code, at their import
    import tritonclient.http as triton
    from tritonclient.utils import InferenceServerException, triton_to_np_dtype

Client = triton.InferenceServerClient
Array = np.ndarray[Any, Any]


@pytest.fixture
def client(process: Process) -> Iterator[Client]:
    with Client(process.address) as made:
        yield made


@pytest.fixture(scope="module")
def every(process: Process) -> str:
    """The name of a model with an input and an output of each datatype."""
    httpx.post(
        f"{process.url}/v1/models/every-type/versions",
        files={"file": ("model", onnx_files.every_datatype())},
        timeout=60,
    ).raise_for_status()
    return "every-type"


def tensor(
    array: Array, name: str = "images", datatype: str = "FP32", *, binary: bool = True
) -> triton.InferInput:
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def rows_of(datatype: str) -> Array:
    if datatype == "BYTES":
        return np.array([[b"a", b"", "é".encode()], [b"[b", b'"', b"d"]], object)
    return np.array([[0, 1, 2], [3, 4, 5]]).astype(triton_to_np_dtype(datatype))


@pytest.mark.client("tritonclient.http", "infer: several inputs and outputs, of every datatype")
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
def test_every_datatype_in_and_out(
    client: Client, every: str, binary_in: bool, binary_out: bool
) -> None:
    sent = {name: rows_of(name) for name in onnx_files.TYPES}
    result = client.infer(
        every,
        [tensor(array, f"{name}_in", name, binary=binary_in) for name, array in sent.items()],
        outputs=[
            triton.InferRequestedOutput(f"{name}_out", binary_data=binary_out)
            for name in reversed(sent)
        ],
    )
    names = [output["name"] for output in result.get_response()["outputs"]]
    assert names == [f"{name}_out" for name in reversed(sent)]
    for name, array in sent.items():
        found = result.as_numpy(f"{name}_out").tolist()
        if name == "BYTES" and not binary_out:  # which the client leaves as JSON has them
            found = [[text.encode() for text in row] for row in found]
        assert found == array.tolist()


@pytest.mark.client("tritonclient.http", "infer: BYTES in metadata and config")
def test_text_has_the_name_that_each_surface_gives_it(client: Client, every: str) -> None:
    (text,) = [one for one in client.get_model_metadata(every)["inputs"] if "BYTES" in one["name"]]
    assert text == {"name": "BYTES_in", "datatype": "BYTES", "shape": [-1, 3]}
    (text,) = [one for one in client.get_model_config(every)["input"] if "BYTES" in one["name"]]
    assert text == {"name": "BYTES_in", "data_type": "TYPE_STRING", "dims": [3]}


@pytest.mark.client("tritonclient.http", "infer: zero rows")
def test_no_rows(client: Client, every: str) -> None:
    result = client.infer("image", [tensor(np.empty((0, 1, 8, 8), np.float32))])
    assert result.as_numpy("probabilities").shape == (0, 3)
    sent = {name: rows_of(name)[:0] for name in onnx_files.TYPES}
    result = client.infer(every, [tensor(rows, f"{name}_in", name) for name, rows in sent.items()])
    for name in sent:
        assert result.as_numpy(f"{name}_out").shape == (0, 3)


@pytest.mark.client("tritonclient.http", "infer: FP16 and BF16 in the place of FP32")
@pytest.mark.parametrize(("datatype", "kind"), [("FP16", np.float16), ("BF16", ml_dtypes.bfloat16)])
def test_narrow_floats_are_widened(client: Client, datatype: str, kind: Any) -> None:
    narrow = heldout().astype(kind)
    found = client.infer("image", [tensor(narrow, datatype=datatype)]).as_numpy("probabilities")
    assert is_right(found, narrow.astype(np.float32))


@pytest.mark.client("tritonclient.http", "infer: classification, JSON and binary")
@pytest.mark.parametrize("binary", [True, False])
def test_classification(client: Client, binary: bool) -> None:
    rows = heldout()
    wanted = triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)
    found = client.infer("image", [tensor(rows)], outputs=[wanted]).as_numpy("probabilities")
    assert found.shape == (5, 2)
    names = ["circle", "square", "other"]
    for row, numbers in zip(found, expected(rows), strict=True):
        for text, index in zip(row, np.argsort(-numbers), strict=False):
            value, at, label = (text.decode() if binary else str(text)).split(":")
            assert float(value) == pytest.approx(numbers[index], abs=1e-5)
            assert (int(at), label) == (index, names[index])


def picture(pixels: Array, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray((pixels[0] * 255).round().astype(np.uint8)).save(file, kind)
    return file.getvalue()


@pytest.mark.client("tritonclient.http", "infer: PNG and JPEG as BYTES for an image model")
@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_pictures(client: Client, process: Process, shape: tuple[int, ...]) -> None:
    files = [picture(row) for row in heldout(2)] + [picture(heldout(1)[0], "JPEG")]
    sent = np.array(files, object).reshape(shape)
    found = client.infer("image", [tensor(sent, datatype="BYTES")]).as_numpy("probabilities")
    for row, file, kind in zip(found, files, ["png", "png", "jpeg"], strict=True):
        v1 = httpx.post(
            f"{process.url}/v1/models/image/predict",
            content=file,
            headers={"Content-Type": f"image/{kind}"},
        )
        assert np.allclose(row, v1.json()["outputs"][0], atol=1e-6)
    with pytest.raises(InferenceServerException, match="'images': expected a PNG or JPEG"):
        client.infer("image", [tensor(np.array([b"no picture"], object), datatype="BYTES")])


@pytest.mark.parametrize("path", ["image", "image/versions/1"])
def test_a_body_of_nothing_but_the_tensor(process: Process, path: str) -> None:
    rows = heldout()
    url = f"{process.url}/v2/models/{path}/infer"
    headers = {"Inference-Header-Content-Length": "0"}
    for part in (rows, rows[:2], rows):  # a body that is like one before may be of another size
        answer = httpx.post(url, content=part.tobytes(), headers=headers)
        size = int(answer.headers["Inference-Header-Content-Length"])
        read = Client.parse_response_body(answer.content, header_length=size)
        assert is_right(read.as_numpy("probabilities"), part)
    answer = httpx.post(url, content=rows.tobytes()[1:], headers=headers)
    message = "input 'images': expected a multiple of 256 bytes for shape [-1, 1, 8, 8] of FP32"
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(message)
