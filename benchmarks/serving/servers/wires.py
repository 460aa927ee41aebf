"""Requests and answers in the forms that several servers share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.serving.models import DECIMALS, INPUT
from benchmarks.serving.servers.base import Request, Response, Row, Site, Wire

JSON = {"Content-Type": "application/json"}
HEAD_LENGTH = "Inference-Header-Content-Length"

Path = Callable[[Site], str]
Headers = Callable[[Site], Mapping[str, str]]


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def numbers(row: Row) -> list[float]:
    """With the few decimals that the row was made with, and not those of its float32."""
    return [round(value, DECIMALS) for value in row.tolist()]


def no_headers(_site: Site) -> dict[str, str]:
    return {}


def plain_json(
    path: str, *, nested: bool = True, asked: str = "inputs", key: str | None = "outputs"
) -> Wire:
    """`{"inputs": [[…]]}`, a batch of one row, or the row alone, under `asked`; the answer is under
    `key`. `path` may hold `{name}` for the model's."""

    def request(site: Site, row: Row) -> Request:
        values: Any = [numbers(row)] if nested else numbers(row)
        body = compact({asked: values})
        return Request(path.format(name=site.model.name), body, JSON)

    def answer(response: Response) -> Sequence[float]:
        found = json.loads(response.body)
        found = found if key is None else found[key]
        return found[0] if isinstance(found[0], list) else found

    return Wire(request, answer)


def infer_path(site: Site) -> str:
    return f"/v2/models/{site.model.name}/infer"


def v2_json(path: Path = infer_path, headers: Headers = no_headers) -> Wire:
    """The Open Inference Protocol with numbers as JSON."""

    def request(site: Site, row: Row) -> Request:
        tensor = _tensor(row) | {"data": numbers(row)}
        return Request(path(site), compact({"inputs": [tensor]}), {**JSON, **headers(site)})

    return Wire(request, lambda response: json.loads(response.body)["outputs"][0]["data"])


def v2_binary(path: Path = infer_path, headers: Headers = no_headers) -> Wire:
    """Triton's binary extension of it, for the input and for the output."""

    def request(site: Site, row: Row) -> Request:
        data = row.astype("<f4").tobytes()
        tensor = _tensor(row) | {"parameters": {"binary_data_size": len(data)}}
        head = compact({"inputs": [tensor], "parameters": {"binary_data_output": True}})
        own = {"Content-Type": "application/octet-stream", HEAD_LENGTH: str(len(head))}
        return Request(path(site), head + data, {**own, **headers(site)})

    def answer(response: Response) -> Sequence[float]:
        length = int(response.headers[HEAD_LENGTH.lower()])
        return np.frombuffer(response.body[length:], "<f4").tolist()

    return Wire(request, answer)


def _tensor(row: Row) -> dict[str, Any]:
    return {"name": INPUT, "datatype": "FP32", "shape": [1, len(row)]}
