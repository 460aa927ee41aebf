"""Calls of KServe's clients, run by the Python of an environment of their own.

stdin: JSON with `url`, `grpc` (host and port) and `rows`, of the model `image`. stdout: JSON, what
each call gave.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig


def request(rows: np.ndarray[Any, Any], *, binary: bool, model: str = "image") -> InferRequest:
    tensor = InferInput("images", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    return InferRequest(model, [tensor], parameters={"binary_data_output": binary})


async def error_of(client: InferenceRESTClient, url: str, rows: np.ndarray[Any, Any]) -> str:
    try:
        await client.infer(url, request(rows, binary=True), model_name="nope")
    except httpx.HTTPStatusError as error:
        return str(error)
    return "none"


async def use(url: str, rows: np.ndarray[Any, Any]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        results["live"] = await client.is_server_live(url)
        results["ready"] = await client.is_server_ready(url)
        results["models"] = [await client.is_model_ready(url, name) for name in ("image", "nope")]
        for form, binary in (("json", False), ("binary", True)):
            answer = await client.infer(url, request(rows, binary=binary), model_name="image")
            results[form] = answer.outputs[0].as_numpy().tolist()
        results["error"] = await error_of(client, url, rows)
    return results


async def use_grpc(address: str, rows: np.ndarray[Any, Any]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    async with InferenceGRPCClient(address) as client:
        results["live"] = await client.is_server_live()
        results["ready"] = await client.is_server_ready()
        results["model"] = await client.is_model_ready("image")
        answer = await client.infer(request(rows, binary=True))
        results["raw"] = answer.outputs[0].as_numpy().tolist()
        try:
            await client.infer(request(rows, binary=True, model="nope"))
        except grpc.RpcError as error:
            results["error"] = error.details()
    return results


def main() -> None:
    given = json.load(sys.stdin)
    rows = np.array(given["rows"], np.float32)
    rest = asyncio.run(use(given["url"], rows))
    json.dump({**rest, "grpc": asyncio.run(use_grpc(given["grpc"], rows))}, sys.stdout)


if __name__ == "__main__":
    main()
