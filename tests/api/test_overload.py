"""A model that cannot keep up, and clients that do not wait for it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from services.container import Container
from services.serving import loading
from tests.api.conftest import Api
from tests.support.gated import Gated
from tests.support.published import add_version

INFER = {"inputs": [{"name": "features", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}
PREDICT = {"inputs": [[1, 2]]}


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, api: Api, container: Container) -> Gated:
    """A model that is believed to take 0.1 s a row, served as `m`; up to 0.15 s may be waited."""
    gated = Gated(queue_limit_s=0.15)
    monkeypatch.setattr(loading, "load", lambda *_args, **_named: gated.loaded)
    add_version(container, "binary", name="m")
    return gated


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def ask(api: Api, path: str, body: Any) -> httpx.Response:
    return httpx.post(api.client.base_url.join(path), json=body, timeout=30)


def waiting(model: Gated) -> int:
    return model.loaded._waiting


def test_too_long_a_wait_is_a_429_at_once_on_either_surface(api: Api, model: Gated) -> None:
    with ThreadPoolExecutor(2) as clients:
        served = [clients.submit(ask, api, "v2/models/m/infer", INFER)]
        until(lambda: model.calls == 1)  # two that waited for the load might share a batch
        served.append(clients.submit(ask, api, "v2/models/m/infer", INFER))
        until(lambda: waiting(model) == 2)
        v1 = ask(api, "v1/models/m/predict", PREDICT)
        v2 = ask(api, "v2/models/m/infer", INFER)
        assert (v1.status_code, v1.json()["code"]) == (429, "overloaded")
        assert (v2.status_code, list(v2.json())) == (429, ["error"])
        for refused in (v1, v2):
            assert int(refused.headers["Retry-After"]) >= 1
        model.gate.release(2)
        assert [one.result().status_code for one in served] == [200, 200]
    assert model.calls == 2


@pytest.mark.parametrize(
    ("path", "body"), [("v2/models/m/infer", INFER), ("v1/models/m/predict", PREDICT)]
)
def test_a_request_whose_client_has_gone_is_not_run(
    api: Api, model: Gated, path: str, body: Any
) -> None:
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(ask, api, "v1/models/m/predict", PREDICT)
        until(lambda: model.calls == 1)
        leave(api, path, json.dumps(body).encode(), lambda: waiting(model) == 2)
        until(lambda: waiting(model) == 1)
        model.gate.release(2)
        assert first.result().status_code == 200
    assert model.calls == 1
    assert api.client.get("/healthz").is_success


def leave(api: Api, path: str, body: bytes, when: Callable[[], bool]) -> None:
    """Send a request, and hang up as soon as it waits."""
    address = (str(api.client.base_url.host), int(api.client.base_url.port or 0))
    with socket.create_connection(address) as connection:
        head = (
            f"POST /{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        until(when)
