"""Keys, deadlines, cancellation, limits and errors: what gRPC shares with HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2

from api import errors
from api.grpc.errors import CODES, MAX_BYTES, refusal_of
from services.container import Container
from services.errors import Busy, Invalid
from services.keys import Scope
from services.serving import loading
from services.serving.pace import Pace
from services.settings import Settings
from tests.api.conftest import Api, free_port, served
from tests.api.grpc.conftest import tensor
from tests.api.test_overload import until, waiting
from tests.services.conftest import RecordingQueue
from tests.support.gated import Gated
from tests.support.published import add_version

pb: Any = service_pb2
MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"
ROW = np.array([[1, 2]], np.float32)
LIMIT = 1 << 20


@pytest.fixture(params=[True, False], ids=["fast", "slow"])
def container(
    tmp_path: Path, template: Path, request: pytest.FixtureRequest
) -> Iterator[Container]:
    settings = Settings(
        data_dir=tmp_path,
        max_body_bytes=LIMIT,
        grpc_port=free_port(),
        fast_path=request.param,
    )
    shutil.copy(template, settings.data_dir)
    made = Container(settings, queue=RecordingQueue())
    yield made
    made.close()


@pytest.fixture
def slow(container: Container, monkeypatch: pytest.MonkeyPatch) -> Gated:
    """A model `m`, believed to take 10 ms a row, whose calls the test lets through."""
    gated = Gated(Pace(0.0, 0.01))
    monkeypatch.setattr(loading, "load", lambda *_args, **_named: gated.loaded)
    add_version(container, "binary", name="m")
    return gated


@pytest.fixture
def api(slow: Gated, container: Container) -> Iterator[Api]:
    with served(container) as running:
        yield running


@pytest.fixture
def channel(api: Api) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{api.container.settings.grpc_port}") as made:
        yield made


def infer(channel: grpc.Channel) -> Any:
    """`ModelInfer`, from bytes to bytes."""
    return channel.unary_unary(MODEL_INFER)


def request(**more: Any) -> bytes:
    made = pb.ModelInferRequest(model_name="m", **more)
    made.inputs.add(name="features", datatype="FP32", shape=ROW.shape)
    made.raw_input_contents.append(ROW.tobytes())
    return made.SerializeToString()


def refusal(call: Callable[[], Any]) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


@pytest.mark.client("tritonclient.grpc", "API keys, in either header")
def test_keys_are_those_of_http(api: Api, slow: Gated, container: Container) -> None:
    keys = {scope: container.keys.create(scope, [scope])[1] for scope in Scope}
    slow.gate.release(100)
    with triton.InferenceServerClient(f"127.0.0.1:{container.settings.grpc_port}") as client:
        assert client.is_server_live()
        calls: dict[Scope, Callable[[dict[str, str]], Any]] = {
            Scope.PREDICT: lambda headers: client.infer(
                "m", [tensor(ROW, "features")], headers=headers
            ),
            Scope.ADMIN: lambda headers: client.unload_model("nope", headers=headers),
        }
        for needed, call in calls.items():
            for headers in ({}, {"authorization": "Bearer tk_no"}, {"x-api-key": "no"}):
                assert _status(call, headers) == "UNAUTHENTICATED"
            for scope, secret in keys.items():
                for headers in ({"authorization": f"Bearer {secret}"}, {"x-api-key": secret}):
                    allowed = scope in (needed, Scope.ADMIN)
                    assert (_status(call, headers) == "PERMISSION_DENIED") != allowed
        heard: list[Any] = []
        client.start_stream(lambda result, error: heard.append((result, error)))
        until(lambda: bool(heard))
        assert "UNAUTHENTICATED" in str(heard[0][1])


def _status(call: Callable[[dict[str, str]], Any], headers: dict[str, str]) -> str:
    try:
        call(headers)
    except triton.InferenceServerException as error:
        return (error.status() or "").removeprefix("StatusCode.")
    return "OK"


def test_a_call_has_an_id_and_is_counted(api: Api, slow: Gated, channel: grpc.Channel) -> None:
    slow.gate.release(1)
    _, call = infer(channel).with_call(request(), metadata=(("x-request-id", "mine"),))
    assert ("x-request-id", "mine") in call.trailing_metadata()
    error = refusal(lambda: infer(channel)(b""))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert dict(error.trailing_metadata())["x-request-id"].startswith("req_")
    lines = api.client.get("/metrics").text.splitlines()
    name = 'torchkiln_http_requests_total{method="POST",route="grpc:ModelInfer",status="%d"} 1.0'
    assert name % 200 in lines
    assert name % 404 in lines


def test_bytes_that_are_no_message(channel: grpc.Channel) -> None:
    error = refusal(lambda: infer(channel)(b"\xff\xff"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith("expected a message inference.ModelInferRequest")
    stream = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
    (answer,) = stream(iter([b"\xff\xff"]))
    assert b"expected a message inference.ModelInferRequest" in answer


@pytest.mark.parametrize("packed", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_is_no_longer_than_a_body_may_be(
    channel: grpc.Channel, packed: grpc.Compression
) -> None:
    """As it is when it has been unpacked."""
    error = refusal(lambda: infer(channel)(bytes(LIMIT + 1), compression=packed))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert infer(channel).future(b"").exception().code() is grpc.StatusCode.NOT_FOUND


def test_the_clients_deadline_and_the_requests_own(channel: grpc.Channel, slow: Gated) -> None:
    """A request that has waited too long is not run."""
    running = infer(channel).future(request())
    until(lambda: slow.calls == 1)
    late = infer(channel).future(request(), timeout=0.25)
    own = pb.ModelInferRequest.FromString(request())
    own.parameters["timeout"].int64_param = 250_000
    error = refusal(lambda: infer(channel)(own.SerializeToString()))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "the deadline of the request passed" in error.details()
    assert late.exception().code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: waiting(slow) == 1)
    slow.gate.release(10)
    running.result(30)
    assert slow.calls == 1


def test_a_call_that_was_cancelled_is_not_run(channel: grpc.Channel, slow: Gated) -> None:
    running = infer(channel).future(request())
    until(lambda: slow.calls == 1)
    given_up = infer(channel).future(request())
    until(lambda: waiting(slow) == 2)
    given_up.cancel()
    until(lambda: waiting(slow) == 1)
    slow.gate.release(10)
    running.result(30)
    assert slow.calls == 1


def test_too_long_a_wait_is_refused_at_once(channel: grpc.Channel, slow: Gated) -> None:
    slow.loaded.limit_wait(0.015)
    under_way = [infer(channel).future(request()) for _ in range(2)]
    until(lambda: waiting(slow) == 2)
    error = refusal(lambda: infer(channel)(request()))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert int(dict(error.trailing_metadata())["grpc-retry-pushback-ms"]) > 0
    slow.gate.release(10)
    for one in under_way:
        one.result(30)


def test_calls_under_way_end_before_the_service_does(container: Container, slow: Gated) -> None:
    with served(container) as running:
        channel = grpc.insecure_channel(f"127.0.0.1:{container.settings.grpc_port}")
        under_way = infer(channel).future(request())
        until(lambda: slow.calls == 1)
        running.state.closing.set()
        running.client.get("/healthz")  # wakes the event loop, which a test's thread does not
        until(lambda: _refused(channel))
        slow.gate.release(1)
        assert pb.ModelInferResponse.FromString(under_way.result(30)).model_name == "m"
        channel.close()


def test_an_idle_stream_does_not_hold_up_the_end(api: Api, container: Container) -> None:
    heard: list[Any] = []
    with triton.InferenceServerClient(f"127.0.0.1:{container.settings.grpc_port}") as client:
        client.start_stream(lambda result, error: heard.append(error))
        client.async_stream_infer("nope", [tensor(ROW, "features")])
        until(lambda: len(heard) == 1)
        api.state.closing.set()
        api.client.get("/healthz")
        until(lambda: len(heard) == 2)
    assert "the service is stopping" in str(heard[1])


def _refused(channel: grpc.Channel) -> bool:
    live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
    error = live.future(b"").exception(5)
    return error is not None and error.code() is grpc.StatusCode.UNAVAILABLE


def test_every_status_of_http_has_a_code() -> None:
    assert CODES.keys() >= {*errors.STATUS.values(), *errors.STATUS_OF_CODE.values(), 500}


def test_a_message_fits_into_the_header_that_carries_it() -> None:
    refused = refusal_of(Invalid("é" * 10_000))
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert len(refused.details.encode()) <= MAX_BYTES
    assert refusal_of(ValueError("secret")).details.startswith("an internal error")
    assert refusal_of(Busy("", retry_after_s=0.25)).metadata == (("grpc-retry-pushback-ms", "250"),)
