"""An unmodified tritonclient with its default settings, against the process that users run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.api.conftest import Process
from tests.support.tritoncalls import (
    ANSWERED,
    NOT_SUPPORTED,
    WITHOUT_SERVER,
    heldout,
    is_right,
    public,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # gevent and the generated protobuf code, at their import
    import tritonclient.http as triton
    from tritonclient.utils import InferenceServerException

Client = triton.InferenceServerClient


@pytest.fixture
def client(process: Process) -> Iterator[Client]:
    with Client(process.address) as made:
        yield made


def tensor(rows: Any, **options: Any) -> triton.InferInput:
    made = triton.InferInput("images", list(rows.shape), "FP32")
    made.set_data_from_numpy(rows, **options)
    return made


def test_no_call_of_the_client_is_left_out() -> None:
    assert public(Client) == ANSWERED | WITHOUT_SERVER | set(NOT_SUPPORTED) | {"async_infer"}


@pytest.mark.client("tritonclient.http", "is_server_live, is_server_ready, is_model_ready")
def test_health(client: Client) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("image")
    assert client.is_model_ready("image", "1")
    assert client.is_model_ready("image", "champion")
    assert not client.is_model_ready("nope")
    assert not client.is_model_ready("image", "9")


@pytest.mark.client("tritonclient.http", "get_server_metadata, get_model_metadata")
def test_metadata(client: Client) -> None:
    server = client.get_server_metadata()
    assert server["name"] == "torchkiln"
    assert {"binary_tensor_data", "classification", "statistics"} <= set(server["extensions"])
    metadata = client.get_model_metadata("image", query_params={"any": 1})
    assert metadata["inputs"] == [{"name": "images", "datatype": "FP32", "shape": [-1, 1, 8, 8]}]


@pytest.mark.client("tritonclient.http", "get_model_config")
def test_config(client: Client) -> None:
    config = client.get_model_config("image", "1")
    assert config["name"] == "image"
    assert config["max_batch_size"] > 0
    assert config["input"] == [{"name": "images", "data_type": "TYPE_FP32", "dims": [1, 8, 8]}]
    assert config["output"] == [{"name": "probabilities", "data_type": "TYPE_FP32", "dims": [3]}]


@pytest.mark.client("tritonclient.http", "get_inference_statistics, as perf_analyzer reads it")
def test_statistics(client: Client) -> None:
    def figures() -> dict[str, Any]:
        (one,) = client.get_inference_statistics("image", "1")["model_stats"]
        assert (one["name"], one["version"]) == ("image", "1")
        return one

    before = figures()
    client.infer("image", [tensor(heldout())])
    after = figures()
    assert after["inference_count"] == before["inference_count"] + 5
    assert after["execution_count"] == before["execution_count"] + 1
    parts = after["inference_stats"]
    assert set(parts) == {
        *("success", "fail", "queue", "compute_input", "compute_infer", "compute_output"),
        *("cache_hit", "cache_miss"),
    }
    for name in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        assert parts[name]["count"] == before["inference_stats"][name]["count"] + 1
        assert parts[name]["ns"] >= before["inference_stats"][name]["ns"]
    assert isinstance(after["batch_stats"], list)
    every = client.get_inference_statistics()["model_stats"]
    assert {"binary", "image", "regression"} <= {one["name"] for one in every}


@pytest.mark.client("tritonclient.http", "get_model_repository_index, load_model, unload_model")
def test_repository(client: Client) -> None:
    index = {model["name"]: model for model in client.get_model_repository_index()}
    assert {"binary", "image", "regression"} <= index.keys()
    assert index["binary"]["state"] == "READY"
    client.unload_model("binary")
    assert not client.is_model_ready("binary")
    row = triton.InferInput("features", [1, 2], "FP32")
    row.set_data_from_numpy(heldout(1).reshape(-1)[:2].reshape(1, 2))
    with pytest.raises(InferenceServerException, match="binary"):
        client.infer("binary", [row])
    client.load_model("binary")
    assert client.is_model_ready("binary")
    assert client.infer("binary", [row]).as_numpy("answer").shape == (1, 2)
    with pytest.raises(InferenceServerException, match="there is no model nope"):
        client.load_model("nope")


@pytest.mark.client("tritonclient.http", "load_model(config=…)", "501")
def test_a_configuration_cannot_be_loaded(client: Client) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.load_model("binary", config="{}")
    assert caught.value.status() == "501"


@pytest.mark.client("tritonclient.http", "shared memory, trace and log settings", "501")
@pytest.mark.parametrize(("call", "arguments"), NOT_SUPPORTED.items())
def test_what_makes_no_sense_here_says_so(
    client: Client, call: str, arguments: tuple[Any, ...]
) -> None:
    with pytest.raises(InferenceServerException, match="not supported") as caught:
        getattr(client, call)(*arguments)
    assert caught.value.status() == "501"


@pytest.mark.client("tritonclient.http", "infer, with the defaults")
def test_inference_with_the_defaults(client: Client) -> None:
    rows = heldout()
    result = client.infer("image", [tensor(rows)])
    assert is_right(result.as_numpy("probabilities"), rows)
    assert result.get_response()["parameters"]["backend"] == "onnxruntime"


@pytest.mark.client(
    "tritonclient.http", "infer: JSON and binary tensors, version, id, timeout, own parameters"
)
@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("backend", ["eager", "torchscript", "onnxruntime"])
def test_every_form_by_every_backend(
    client: Client, backend: str, binary_in: bool, binary_out: bool
) -> None:
    rows = heldout()
    result = client.infer(
        "image",
        [tensor(rows, binary_data=binary_in)],
        outputs=[triton.InferRequestedOutput("probabilities", binary_data=binary_out)],
        model_version="1",
        request_id="mine",
        priority=1,
        sequence_id=7,
        timeout=60_000_000,
        parameters={"backend": backend},
    )
    assert is_right(result.as_numpy("probabilities"), rows)
    response = result.get_response()
    assert (response["id"], response["parameters"]["backend"]) == ("mine", backend)


@pytest.mark.client("tritonclient.http", "infer: gzip and deflate, requests and answers")
@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_packed_requests_and_answers(client: Client, process: Process, packing: str) -> None:
    rows = heldout()
    result = client.infer(
        "image",
        [tensor(rows)],
        request_compression_algorithm=packing,
        response_compression_algorithm=packing,
    )
    assert is_right(result.as_numpy("probabilities"), rows)
    body, size = Client.generate_request_body([tensor(rows)])
    answer = httpx.post(
        f"{process.url}/v2/models/image/infer",
        content=body,
        headers={"Inference-Header-Content-Length": str(size), "Accept-Encoding": packing},
    )
    assert answer.headers["content-encoding"] == packing
    read = Client.parse_response_body(
        answer.content, header_length=int(answer.headers["Inference-Header-Content-Length"])
    )
    assert is_right(read.as_numpy("probabilities"), rows)


@pytest.mark.client("tritonclient.http", "async_infer")
def test_many_at_once(process: Process) -> None:
    rows = heldout()
    with Client(process.address, concurrency=4) as client:
        asked = [
            client.async_infer("image", [tensor(rows[index : index + 1])]) for index in range(5)
        ]
        found = [request.get_result().as_numpy("probabilities") for request in asked]
    assert is_right(np.concatenate(found), rows)


@pytest.mark.client("tritonclient.http", "errors come as InferenceServerException")
def test_errors_come_through_with_their_words(client: Client) -> None:
    rows = heldout()
    for name, version, given, outputs, message in (
        ("nope", "", rows, None, "there is no model nope"),
        ("image", "9", rows, None, "image has no version 9"),
        (
            "image",
            "",
            rows[:, 0],
            None,
            r"'images': expected shape .* 8\], got \[5, 8, 8\]",
        ),
        ("image", "", rows, "x", "expected outputs probabilities, got 'x'"),
    ):
        wanted = None if outputs is None else [triton.InferRequestedOutput(outputs)]
        with pytest.raises(InferenceServerException, match=message):
            client.infer(name, [tensor(given)], model_version=version, outputs=wanted)
    with pytest.raises(InferenceServerException, match="timeout: expected an integer from 0"):
        client.infer("image", [tensor(rows)], timeout=-1)
    with pytest.raises(InferenceServerException, match="'images': expected once, got it twice"):
        client.infer("image", [tensor(rows), tensor(rows)])
    with pytest.raises(InferenceServerException, match="'images': expected in the request"):
        client.infer("image", [])
