"""`tritonclient.http.aio`, unmodified, against the process that users run."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

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
    import tritonclient.http.aio as triton
    from tritonclient.utils import InferenceServerException

Client = triton.InferenceServerClient


def run(process: Process, use: Callable[[Client], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with Client(process.address) as client:
            await use(client)

    with warnings.catch_warnings():
        # The client leaves answers that it has no use for unread, and aiohttp says so at their end.
        warnings.simplefilter("ignore", ResourceWarning)
        asyncio.run(whole())
        gc.collect()


def tensor(rows: Any) -> triton.InferInput:
    made = triton.InferInput("images", list(rows.shape), "FP32")
    made.set_data_from_numpy(rows)
    return made


def test_no_call_of_the_client_is_left_out() -> None:
    assert public(Client) == ANSWERED | WITHOUT_SERVER | set(NOT_SUPPORTED)


@pytest.mark.client("tritonclient.http.aio", "health, metadata, config, statistics, repository")
def test_what_it_asks_about_server_and_models(process: Process) -> None:
    async def use(client: Client) -> None:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("image")
        assert not await client.is_model_ready("nope")
        assert (await client.get_server_metadata())["name"] == "torchkiln"
        assert (await client.get_model_metadata("image"))["versions"] == ["1"]
        assert (await client.get_model_config("image"))["max_batch_size"] > 0
        stats = await client.get_inference_statistics("image", "1")
        assert stats["model_stats"][0]["name"] == "image"
        index = await client.get_model_repository_index()
        assert {"binary", "image", "regression"} <= {model["name"] for model in index}
        await client.unload_model("regression")
        assert not await client.is_model_ready("regression")
        await client.load_model("regression")
        assert await client.is_model_ready("regression")

    run(process, use)


@pytest.mark.client("tritonclient.http.aio", "infer, gzip, deflate, many at once")
def test_inference(process: Process) -> None:
    rows = heldout()

    async def use(client: Client) -> None:
        for packing in (None, "gzip", "deflate"):
            result = await client.infer(
                "image",
                [tensor(rows)],
                request_compression_algorithm=packing,
                response_compression_algorithm=packing,
            )
            assert is_right(result.as_numpy("probabilities"), rows)
        single = [client.infer("image", [tensor(rows[index : index + 1])]) for index in range(5)]
        found = [result.as_numpy("probabilities") for result in await asyncio.gather(*single)]
        assert is_right(np.concatenate(found), rows)
        with pytest.raises(InferenceServerException, match="there is no model nope"):
            await client.infer("nope", [tensor(rows)])

    run(process, use)


@pytest.mark.client("tritonclient.http.aio", "shared memory, trace and log settings", "501")
def test_what_makes_no_sense_here_says_so(process: Process) -> None:
    async def use(client: Client) -> None:
        for call, arguments in NOT_SUPPORTED.items():
            with pytest.raises(InferenceServerException, match="not supported") as caught:
                await getattr(client, call)(*arguments)
            assert caught.value.status() == "501"

    run(process, use)
