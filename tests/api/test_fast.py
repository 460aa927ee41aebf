"""Inference by the short way and by the application: the same answers, whatever the bytes.

Over bare sockets, because what is tested is how bytes come, which clients hide.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import infer
from services.container import Container
from services.db import migrate
from services.keys import Scope
from services.serving import loading
from services.settings import Settings
from tests.api.conftest import Api, served
from tests.services.conftest import RecordingQueue
from tests.support.gated import Gated
from tests.support.published import add_version

PATH = "/v2/models/m/infer"
TENSOR = {"name": "features", "datatype": "FP32", "shape": [1, 2]}
GOOD = json.dumps({"inputs": [TENSOR | {"data": [0.5, -1]}]}).encode()
RAW = np.array([[0.5, -1]], np.float32).tobytes()
HEAD = json.dumps({"inputs": [TENSOR | {"parameters": {"binary_data_size": 8}}]}).encode()
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)
LENGTH = {"Inference-Header-Content-Length": str(len(HEAD))}


@dataclass(frozen=True)
class Both:
    fast: Api
    slow: Api


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Two servers over one registry, which holds `m`: with the short way, and without."""
    container = Container(
        Settings(data_dir=tmp_path_factory.mktemp("both"), max_body_bytes=1 << 20),
        queue=RecordingQueue(),
    )
    migrate.upgrade(container.db)
    add_version(container, "binary", name="m")
    with ExitStack() as stack:
        yield Both(*(stack.enter_context(served(container, fast=fast)) for fast in (True, False)))
    container.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the inference requests that came to an application."""
    paths: list[str] = []
    answer = infer.InferFastPath._infer

    async def noted(self: Any, scope: Any, *args: Any) -> None:
        paths.append(scope["path"])
        await answer(self, scope, *args)

    monkeypatch.setattr(infer.InferFastPath, "_infer", noted)
    return paths


def request(
    body: bytes = GOOD, path: str = PATH, version: str = "1.1", **headers: str | None
) -> bytes:
    fields: dict[str, str | None] = {"Host": "x", "Content-Length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"POST {path} HTTP/{version}", *lines, "", ""]).encode() + body


def talk(
    api: Api, parts: Sequence[bytes], answers: int, *, pause_s: float = 0.0
) -> list[tuple[int, bytes]]:
    """Send `parts` one by one over one connection. → the status and the body of each answer."""
    host, port = str(api.client.base_url.host), int(api.client.base_url.port or 0)
    with socket.create_connection((host, port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_s)
        with connection.makefile("rb") as stream:
            return [read(stream) for _ in range(answers)]


def read(stream: Any) -> tuple[int, bytes]:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        assert line, f"the connection ended after {head!r}"
        head += line
    status = int(head.split()[1])
    if status == 100:
        return read(stream)
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert length
    return status, stream.read(int(length[1]))


def known(api: Api) -> None:
    """Make sure that what the short way needs is known by now: the version, and no keys."""
    assert api.client.post(PATH, content=GOOD).is_success


def test_usual_requests_do_not_reach_the_application(both: Both, asked: list[str]) -> None:
    known(both.fast)
    asked.clear()
    with httpx.Client(base_url=both.fast.client.base_url) as client:
        for _ in range(3):
            assert client.post(PATH, content=GOOD).status_code == 200
            assert client.post(PATH, content=HEAD + RAW, headers=LENGTH).status_code == 200
            assert client.post(PATH, content=b"{}").status_code == 400
        assert client.post("/v2/models/m/versions/1/infer", content=GOOD).is_success
    assert asked == []
    assert both.slow.client.post(PATH, content=GOOD).is_success
    assert asked == [PATH]


@pytest.mark.parametrize(
    ("parts", "short"),
    [
        ([request()], True),
        ([request()[:40], request()[40:]], False),
        ([request()[:-20], request()[-20:]], True),
        ([request()[: -len(GOOD)], GOOD], True),
        ([request()[: -len(GOOD)], *(GOOD[i : i + 9] for i in range(0, len(GOOD), 9))], True),
        ([request(content_length=None, Content_Length=str(len(GOOD)))], True),
        ([request(Connection="close")], False),
        ([request(version="1.0")], False),
        ([request(Expect="100-continue")], False),
        ([request(path=PATH + "?x=1")], False),
        ([request(path="/v2/models/%6d/infer")], False),
        ([request(CHUNKED, Content_Length=None, Transfer_Encoding="chunked")], False),
    ],
)
def test_however_the_bytes_come_they_are_answered(
    both: Both, asked: list[str], parts: list[bytes], short: bool
) -> None:
    known(both.fast)
    asked.clear()
    ((status, body),) = talk(both.fast, parts, 1, pause_s=0.005)
    assert (status, json.loads(body)["model_version"]) == (200, "1")
    assert (asked == []) is short


def test_requests_in_a_row_are_answered_in_their_order(both: Both) -> None:
    bodies = [
        json.dumps({"id": str(n), "inputs": [TENSOR | {"data": [n, 1]}]}).encode()
        for n in range(30)
    ]
    usual = [request(body) for body in bodies]
    mixed = [request(body, PATH + ("?a" if n % 3 else "")) for n, body in enumerate(bodies)]
    whole = b"".join(usual)
    for sent in ([whole], usual, [b"".join(mixed)], [whole[:777], whole[777:]]):
        answers = talk(both.fast, sent, len(bodies))
        assert [status for status, _ in answers] == [200] * len(bodies)
        assert [json.loads(body)["id"] for _, body in answers] == [str(n) for n in range(30)]


def test_answers_that_nobody_reads_are_not_written_without_end(both: Both) -> None:
    many = {"shape": [2000, 2], "data": [0.25] * 4000}
    body = json.dumps({"inputs": [TENSOR | many]}).encode()
    count = 150
    host, port = str(both.fast.client.base_url.host), int(both.fast.client.base_url.port or 0)
    with socket.create_connection((host, port), timeout=20) as connection:
        sender = threading.Thread(target=connection.sendall, args=[request(body) * count])
        sender.start()
        time.sleep(0.3)
        with connection.makefile("rb") as stream:
            assert [read(stream)[0] for _ in range(count)] == [200] * count
        sender.join()


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"X_Request_Timeout": "soon"}, "X-Request-Timeout: expected seconds above 0"),
        ({"X_Request_Timeout": "-1"}, "X-Request-Timeout: expected seconds above 0"),
        ({"Inference_Header_Content_Length": "9999"}, "Inference-Header-Content-Length"),
        ({"Inference_Header_Content_Length": "x"}, "Inference-Header-Content-Length"),
    ],
)
def test_bad_headers_are_named_by_either_way(
    both: Both, headers: dict[str, str], said: str
) -> None:
    answers = [talk(api, [request(**headers)], 1) for api in (both.fast, both.slow)]
    assert answers[0] == answers[1]
    ((status, body),) = answers[0]
    assert (status, said in json.loads(body)["error"]) == (400, True)


def test_a_body_that_ends_too_soon_is_told(both: Both) -> None:
    known(both.fast)
    address = (str(both.fast.client.base_url.host), int(both.fast.client.base_url.port or 0))
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(request()[:-10])
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            status, body = read(stream)
    assert (status, "the rest of the body" in json.loads(body)["error"]) == (400, True)


def test_the_clients_id_comes_back(both: Both) -> None:
    for api in (both.fast, both.slow):
        answer = api.client.post(PATH, content=GOOD, headers={"X-Request-Id": "mine-1"})
        assert answer.headers["X-Request-Id"] == "mine-1"
        assert api.client.post(PATH, content=GOOD).headers["X-Request-Id"].startswith("req_")


DAMAGE = st.one_of(
    st.just(GOOD),
    st.just(GOOD.replace(b"0.5", b"1e39")),
    st.tuples(st.integers(0, len(GOOD)), st.binary(max_size=3)).map(
        lambda cut: GOOD[: cut[0]] + cut[1] + GOOD[cut[0] :]
    ),
    st.tuples(st.integers(0, len(GOOD)), st.integers(0, len(GOOD))).map(
        lambda cut: GOOD[: min(cut)] + GOOD[max(cut) :]
    ),
)


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=DAMAGE, binary=st.booleans())
def test_both_ways_say_the_same_of_any_body(both: Both, body: bytes, binary: bool) -> None:
    headers = LENGTH if binary else {}
    sent = body + RAW if binary else body
    answers = [
        api.client.post(PATH, content=sent, headers=headers) for api in (both.fast, both.slow)
    ]
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].content == answers[1].content
    assert answers[0].status_code in {200, 400}


def test_keys_are_asked_for_by_either_way(api: Api, container: Container) -> None:
    add_version(container, "binary", name="m")
    known(api)
    key, secret = container.keys.create("predicts", [Scope.PREDICT])
    _, other = container.keys.create("reads", [Scope.READ])
    until(lambda: api.client.post(PATH, content=GOOD).status_code == 401)
    for _ in range(3):
        for shown, status in ((secret, 200), (other, 403), ("tk_unknown", 401)):
            answer = api.client.post(PATH, content=GOOD, headers={"X-API-Key": shown})
            assert answer.status_code == status
    container.keys.revoke(key.id)
    headers = {"Authorization": f"Bearer {secret}"}
    until(lambda: api.client.post(PATH, content=GOOD, headers=headers).status_code == 401)


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_request_under_way_is_answered_before_the_process_ends(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Gated()
    monkeypatch.setattr(loading, "load", lambda *_args, **_named: model.loaded)
    add_version(container, "binary", name="m")
    with served(container) as api:
        answers: list[httpx.Response] = []
        url = api.client.base_url.join(PATH)
        client = threading.Thread(
            target=lambda: answers.append(httpx.post(url, content=GOOD, timeout=30))
        )
        client.start()
        until(lambda: model.calls == 1)
        threading.Timer(0.3, model.gate.release).start()
    client.join()
    assert [answer.status_code for answer in answers] == [200]
