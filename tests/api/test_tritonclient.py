"""An unmodified tritonclient with its default settings, against the process that users run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.api.conftest import Process
from tests.support.published import trained

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # gevent and the generated protobuf code, at their import
    import tritonclient.http as triton
    from tritonclient.utils import InferenceServerException

NOT_SUPPORTED = {
    "get_system_shared_memory_status": (),
    "register_system_shared_memory": ("r", "/r", 64),
    "unregister_system_shared_memory": (),
    "get_cuda_shared_memory_status": (),
    "unregister_cuda_shared_memory": (),
    "get_trace_settings": (),
    "update_trace_settings": (),
    "get_log_settings": (),
    "update_log_settings": ({},),
}


@pytest.fixture
def client(process: Process) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(process.address) as made:
        yield made


@pytest.fixture
def rows() -> np.ndarray[Any, Any]:
    return trained("image").heldout["images"][:5]


def tensor(rows: np.ndarray[Any, Any], **options: Any) -> triton.InferInput:
    made = triton.InferInput("images", list(rows.shape), "FP32")
    made.set_data_from_numpy(rows, **options)
    return made


def expected(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import torch

    return trained("image").servable(torch.from_numpy(rows)).detach().numpy()


def test_health_and_metadata(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("image")
    assert client.is_model_ready("image", "1")
    assert not client.is_model_ready("nope")
    assert client.get_server_metadata()["name"] == "torchkiln"
    metadata = client.get_model_metadata("image")
    assert metadata["inputs"] == [{"name": "images", "datatype": "FP32", "shape": [-1, 1, 8, 8]}]
    assert client.get_model_config("image", "1")["name"] == "image"


def test_inference_with_the_defaults(
    client: triton.InferenceServerClient, rows: np.ndarray[Any, Any]
) -> None:
    result = client.infer("image", [tensor(rows)])
    assert np.allclose(result.as_numpy("probabilities"), expected(rows), atol=1e-5)
    assert result.get_response()["parameters"]["backend"] == "onnxruntime"


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("backend", ["eager", "torchscript", "onnxruntime"])
def test_every_form_by_every_backend(
    client: triton.InferenceServerClient,
    rows: np.ndarray[Any, Any],
    backend: str,
    binary_in: bool,
    binary_out: bool,
) -> None:
    result = client.infer(
        "image",
        [tensor(rows, binary_data=binary_in)],
        outputs=[triton.InferRequestedOutput("probabilities", binary_data=binary_out)],
        model_version="1",
        request_id="mine",
        parameters={"backend": backend},
    )
    assert np.allclose(result.as_numpy("probabilities"), expected(rows), atol=1e-5)
    response = result.get_response()
    assert (response["id"], response["parameters"]["backend"]) == ("mine", backend)


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_packed_requests(
    client: triton.InferenceServerClient, rows: np.ndarray[Any, Any], packing: str
) -> None:
    result = client.infer(
        "image",
        [tensor(rows)],
        request_compression_algorithm=packing,
        response_compression_algorithm=packing,
    )
    assert np.allclose(result.as_numpy("probabilities"), expected(rows), atol=1e-5)


def test_no_rows(client: triton.InferenceServerClient) -> None:
    result = client.infer("image", [tensor(np.empty((0, 1, 8, 8), np.float32))])
    assert result.as_numpy("probabilities").shape == (0, 3)


def test_many_at_once(process: Process, rows: np.ndarray[Any, Any]) -> None:
    with triton.InferenceServerClient(process.address, concurrency=4) as client:
        asked = [
            client.async_infer("image", [tensor(rows[index : index + 1])]) for index in range(5)
        ]
        for index, request in enumerate(asked):
            found = request.get_result().as_numpy("probabilities")
            assert np.allclose(found, expected(rows[index : index + 1]), atol=1e-5)


def test_statistics_and_repository(
    client: triton.InferenceServerClient, rows: np.ndarray[Any, Any]
) -> None:
    client.infer("image", [tensor(rows)])
    (stats,) = client.get_inference_statistics("image", "1")["model_stats"]
    assert stats["inference_stats"]["success"]["count"] > 0
    assert len(client.get_inference_statistics()["model_stats"]) == 3
    names = [model["name"] for model in client.get_model_repository_index()]
    assert names == ["binary", "image", "regression"]
    client.unload_model("binary")
    assert not client.is_model_ready("binary")
    client.load_model("binary")
    assert client.is_model_ready("binary")


def test_errors_come_through_with_their_words(
    client: triton.InferenceServerClient, rows: np.ndarray[Any, Any]
) -> None:
    with pytest.raises(InferenceServerException, match="there is no model nope"):
        client.infer("nope", [tensor(rows)])
    with pytest.raises(InferenceServerException, match=r"expected shape \[-1, 1, 8, 8\]"):
        client.infer("image", [tensor(rows[:, 0])])
    with pytest.raises(InferenceServerException, match="expected outputs probabilities, got 'x'"):
        client.infer("image", [tensor(rows)], outputs=[triton.InferRequestedOutput("x")])


@pytest.mark.parametrize(("call", "arguments"), NOT_SUPPORTED.items())
def test_the_rest_is_a_clean_501(
    client: triton.InferenceServerClient, call: str, arguments: tuple[Any, ...]
) -> None:
    with pytest.raises(InferenceServerException, match="not supported") as caught:
        getattr(client, call)(*arguments)
    assert caught.value.status() == "501"
