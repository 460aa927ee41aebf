"""`tritonclient.grpc.aio`, whose calls are those of the other client, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from tests.api.conftest import Process
from tests.api.grpc.conftest import Array, is_right, tensor
from tests.api.grpc.test_triton_client import NOT_SUPPORTED

ASKS = {
    "is_server_live": (),
    "is_server_ready": (),
    "is_model_ready": ("image",),
    "get_server_metadata": (),
    "get_model_metadata": ("image",),
    "get_model_config": ("image",),
    "get_model_repository_index": (),
    "get_inference_statistics": (),
    "unload_model": ("regression",),
    "load_model": ("regression",),
}
TRIED_BELOW = {"infer", "stream_infer", "close", "register_plugin", "unregister_plugin", "plugin"}


@pytest.mark.client("tritonclient.grpc.aio", "every call but infer")
def test_every_call_works_or_says_that_it_does_not(process: Process) -> None:
    public = {name for name in dir(triton.InferenceServerClient) if not name.startswith("_")}
    assert public == ASKS.keys() | NOT_SUPPORTED.keys() | TRIED_BELOW

    async def ask() -> None:
        async with triton.InferenceServerClient(process.grpc) as client:
            for call, arguments in ASKS.items():
                assert await getattr(client, call)(*arguments) is not False
            for call, arguments in NOT_SUPPORTED.items():
                with pytest.raises(InferenceServerException, match="not supported") as caught:
                    await getattr(client, call)(*arguments)
                assert caught.value.status() == "StatusCode.UNIMPLEMENTED"

    asyncio.run(ask())


@pytest.mark.client("tritonclient.grpc.aio", "infer, gzip, stream_infer")
def test_inference_and_streams(process: Process, rows: Array) -> None:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        for name in ("image", "nope", "image"):
            yield {"model_name": name, "inputs": [tensor(rows)]}

    async def ask() -> None:
        async with triton.InferenceServerClient(process.grpc) as client:
            asked = [client.infer("image", [tensor(rows)]) for _ in range(20)]
            for result in await asyncio.gather(*asked):
                assert is_right(result, rows)
            packed = await client.infer("image", [tensor(rows)], compression_algorithm="gzip")
            assert is_right(packed, rows)
            answers = [answer async for answer in client.stream_infer(requests())]
            assert [error is None for _, error in answers] == [True, False, True]
            assert is_right(answers[2][0], rows)

    asyncio.run(ask())
