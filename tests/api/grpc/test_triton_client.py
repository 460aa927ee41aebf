"""Every call of `tritonclient.grpc`, with its defaults, against the process that users run."""

from __future__ import annotations

import io
import threading
from typing import Any

import httpx
import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as triton
from PIL import Image
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from tests.api.conftest import Process
from tests.api.grpc.conftest import Array, expected, is_right, tensor
from tests.support import onnx_files

Client = triton.InferenceServerClient

NOT_SUPPORTED: dict[str, tuple[Any, ...]] = {
    "get_system_shared_memory_status": (),
    "register_system_shared_memory": ("r", "/r", 64),
    "unregister_system_shared_memory": (),
    "get_cuda_shared_memory_status": (),
    "register_cuda_shared_memory": ("r", b"", 0, 64),
    "unregister_cuda_shared_memory": (),
    "get_trace_settings": (),
    "update_trace_settings": (),
    "get_log_settings": (),
    "update_log_settings": ({},),
}
TRIED_BELOW = {
    *("is_server_live", "is_server_ready", "is_model_ready", "get_server_metadata"),
    *("get_model_metadata", "get_model_config", "get_model_repository_index", "load_model"),
    *("unload_model", "get_inference_statistics", "infer", "async_infer", "close"),
    *("start_stream", "async_stream_infer", "stop_stream"),
    *("register_plugin", "unregister_plugin", "plugin"),  # which ask the server nothing
}


def test_no_call_of_the_client_is_left_out() -> None:
    public = {name for name in dir(Client) if not name.startswith("_")}
    assert public == TRIED_BELOW | set(NOT_SUPPORTED)


@pytest.mark.client("tritonclient.grpc", "shared memory, trace and log settings", "UNIMPLEMENTED")
@pytest.mark.parametrize(("call", "arguments"), NOT_SUPPORTED.items())
def test_what_makes_no_sense_here_says_so(
    client: Client, call: str, arguments: tuple[Any, ...]
) -> None:
    with pytest.raises(InferenceServerException, match="not supported") as caught:
        getattr(client, call)(*arguments)
    assert caught.value.status() == "StatusCode.UNIMPLEMENTED"


@pytest.mark.client("tritonclient.grpc", "health, metadata, config")
def test_health_metadata_and_config(client: Client) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("image")
    assert client.is_model_ready("image", "1")
    assert not client.is_model_ready("nope")
    assert not client.is_model_ready("image", "9")
    assert client.get_server_metadata().name == "torchkiln"
    assert "statistics" in client.get_server_metadata().extensions
    (given,) = client.get_model_metadata("image", "1").inputs
    assert (given.name, given.datatype, given.shape) == ("images", "FP32", [-1, 1, 8, 8])
    config = client.get_model_config("image", as_json=True)["config"]
    assert config["input"] == [
        {"name": "images", "data_type": "TYPE_FP32", "dims": ["1", "8", "8"]}
    ]
    assert config["max_batch_size"] > 0
    for call in (client.get_model_metadata, client.get_model_config):
        with pytest.raises(InferenceServerException, match="there is no model nope") as caught:
            call("nope")
        assert caught.value.status() == "StatusCode.NOT_FOUND"


@pytest.mark.client("tritonclient.grpc", "statistics, repository index, load, unload")
def test_statistics_and_repository(client: Client, rows: Array) -> None:
    client.infer("image", [tensor(rows)])
    (stats,) = client.get_inference_statistics("image", "1").model_stats
    assert stats.inference_stats.success.count > 0
    assert stats.inference_stats.compute_infer.ns > 0
    assert stats.inference_count >= len(rows)
    names = {model.name for model in client.get_model_repository_index().models}
    assert {"binary", "image", "regression"} <= names
    counted = {one.name for one in client.get_inference_statistics().model_stats}
    assert counted == names
    client.unload_model("binary")
    assert not client.is_model_ready("binary")
    unloaded = tensor(np.zeros((1, 2), np.float32), "features")
    with pytest.raises(InferenceServerException, match="the model binary was unloaded"):
        client.infer("binary", [unloaded])
    client.load_model("binary")
    assert client.infer("binary", [unloaded]).as_numpy("answer") is not None
    with pytest.raises(InferenceServerException, match="comes from its training") as caught:
        client.load_model("binary", config="{}")
    assert caught.value.status() == "StatusCode.UNIMPLEMENTED"


@pytest.mark.client("tritonclient.grpc", "infer: version, id, outputs, backend, timeout, metadata")
@pytest.mark.parametrize("backend", ["eager", "torchscript", "onnxruntime"])
def test_inference(client: Client, rows: Array, backend: str) -> None:
    result = client.infer(
        "image",
        [tensor(rows)],
        model_version="champion",
        outputs=[triton.InferRequestedOutput("probabilities")],
        request_id="mine",
        timeout=30_000_000,
        client_timeout=30,
        headers={"x-request-id": "also-mine"},
        parameters={"backend": backend, "unknown": "is passed over"},
    )
    assert is_right(result, rows)
    response = result.get_response()
    assert (response.id, response.model_version) == ("mine", "1")
    assert response.parameters["backend"].string_param == backend


@pytest.mark.client("tritonclient.grpc", "infer: gzip, deflate")
@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_packed(client: Client, rows: Array, packing: str) -> None:
    assert is_right(client.infer("image", [tensor(rows)], compression_algorithm=packing), rows)


@pytest.mark.client("tritonclient.grpc", "infer: zero rows")
def test_no_rows(client: Client) -> None:
    result = client.infer("image", [tensor(np.empty((0, 1, 8, 8), np.float32))])
    found = result.as_numpy("probabilities")
    assert found is None or found.shape == (0, 3)
    assert result.get_output("probabilities").shape == [0, 3]


@pytest.mark.client("tritonclient.grpc", "infer: FP16 and BF16 in the place of FP32")
def test_narrow_floats_are_widened(client: Client, rows: Array) -> None:
    halves = rows.astype(np.float16)
    result = client.infer("image", [tensor(halves, datatype="FP16")])
    assert is_right(result, halves.astype(np.float32))
    upper = rows.astype(ml_dtypes.bfloat16)
    result = client.infer("image", [tensor(upper, datatype="BF16")])
    assert is_right(result, upper.astype(np.float32))


@pytest.mark.client("tritonclient.grpc", "infer: classification")
def test_classification(client: Client, rows: Array) -> None:
    wanted = triton.InferRequestedOutput("probabilities", class_count=2)
    found = client.infer("image", [tensor(rows)], outputs=[wanted]).as_numpy("probabilities")
    assert found is not None
    assert found.shape == (5, 2)
    best = [int(text.split(b":")[1]) for text in found[:, 0]]
    assert best == expected(rows).argmax(axis=1).tolist()
    assert found[0, 0].split(b":")[2] in {b"circle", b"square", b"other"}


@pytest.mark.client("tritonclient.grpc", "infer: encoded pictures as BYTES")
def test_pictures(client: Client) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (3, 8, 8), np.uint8)
    files = np.array([_png(picture) for picture in pixels], object)
    sent = pixels[:, np.newaxis].astype(np.float32) / 255
    assert is_right(client.infer("image", [tensor(files, datatype="BYTES")]), sent)
    with pytest.raises(InferenceServerException, match="element 0") as caught:
        client.infer("image", [tensor(np.array([b"no picture"], object), datatype="BYTES")])
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def _png(picture: Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@pytest.mark.client("tritonclient.grpc", "infer: several inputs and outputs, of every datatype")
def test_every_datatype_in_and_out(client: Client, process: Process) -> None:
    httpx.post(
        f"{process.url}/v1/models/every/versions",
        files={"file": ("model", onnx_files.every_datatype())},
        timeout=60,
    ).raise_for_status()
    sent = {
        name: np.array([[b"a", b"", "é".encode()], [b"b", b"c", b"d"]], object)
        if name == "BYTES"
        else np.array([[0, 1, 2], [3, 4, 5]]).astype(triton_to_np_dtype(name))
        for name in onnx_files.TYPES
    }
    inputs = [tensor(array, f"{name}_in", name) for name, array in sent.items()]
    result = client.infer("every", inputs)
    for name, array in sent.items():
        found = result.as_numpy(f"{name}_out")
        assert found is not None
        assert found.tolist() == array.tolist()
    assert result.get_output("BYTES_out").datatype == "BYTES"


@pytest.mark.client("tritonclient.grpc", "async_infer, and its cancellation")
def test_many_at_once(client: Client, rows: Array) -> None:
    found: dict[int, Any] = {}
    done = threading.Semaphore(0)

    def callback(index: int) -> Any:
        def keep(result: Any, error: Any) -> None:
            found[index] = error or result
            done.release()

        return keep

    calls = [
        client.async_infer("image", [tensor(rows[index : index + 1])], callback(index))
        for index in range(5)
    ]
    for _ in calls:
        assert done.acquire(timeout=30)
    for index in range(5):
        assert is_right(found[index], rows[index : index + 1])
    calls[0].cancel()  # too late, and harmless
