"""`ModelStreamInfer` by the client's own streams."""

from __future__ import annotations

import queue
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from tests.api.grpc.conftest import Array, is_right, tensor

Client = triton.InferenceServerClient
Answers = queue.Queue[tuple[Any, Any]]


@pytest.fixture
def answers(client: Client) -> Answers:
    made: Answers = queue.Queue()
    client.start_stream(lambda result, error: made.put((result, error)))
    return made


@pytest.mark.client("tritonclient.grpc", "start_stream, async_stream_infer, stop_stream")
def test_requests_are_answered_in_their_order(
    client: Client, rows: Array, answers: Answers
) -> None:
    """Many more than are read ahead."""
    for index in range(100):
        row = rows[index % 5 : index % 5 + 1]
        client.async_stream_infer("image", [tensor(row)], request_id=str(index))
    client.stop_stream()
    for index in range(100):
        result, error = answers.get(timeout=30)
        assert error is None
        assert result.get_response().id == str(index)
        assert is_right(result, rows[index % 5 : index % 5 + 1])
    assert answers.empty()


@pytest.mark.client("tritonclient.grpc", "stream: an error of one request")
def test_an_error_is_that_of_one_request_and_the_stream_goes_on(
    client: Client, rows: Array, answers: Answers
) -> None:
    client.async_stream_infer("nope", [tensor(rows)], request_id="wrong")
    client.async_stream_infer(
        "image", [tensor(rows)], request_id="right", enable_empty_final_response=True
    )
    result, error = answers.get(timeout=30)
    assert isinstance(error, InferenceServerException)
    assert "there is no model nope" in str(error)
    assert result is None or result.get_response().id == "wrong"
    result, error = answers.get(timeout=30)
    assert error is None
    assert is_right(result, rows)
    assert result.get_response().parameters["triton_final_response"].bool_param
    client.stop_stream()


@pytest.mark.client("tritonclient.grpc", "stop_stream(cancel_requests)")
def test_a_stream_that_is_cancelled_leaves_the_server_well(
    client: Client, answers: Answers
) -> None:
    many = np.zeros((1000, 1, 8, 8), np.float32)
    for _ in range(50):
        client.async_stream_infer("image", [tensor(many)])
    client.stop_stream(cancel_requests=True)
    assert is_right(client.infer("image", [tensor(many[:1])]), many[:1])
