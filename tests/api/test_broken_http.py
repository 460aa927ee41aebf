"""Headers, lengths and connections that are not as they should be."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from api import bodies, protocol
from tests.api.conftest import Api
from tests.api.test_bad_input import in_form
from tests.support.raw_http import talk

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def shared(each_way: Api) -> Api:
    return each_way


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "nonsense; q=7"},
        {"Accept": "application/xml"},
        {"Content-Type": "application/json; charset=utf-7"},
        {"Content-Type": "a" * 5000},
        {"Accept-Encoding": "br;q=1.0, *;q=0"},
        {"Range": "bytes=9999-"},
        {"If-None-Match": "*"},
        {"Content-Encoding": "nonsense"},
        {"X-Forwarded-For": "' OR 1=1"},
    ],
)
def test_odd_headers_make_no_500(shared: Api, headers: dict[str, str]) -> None:
    for method, path in (
        ("GET", "/v1/jobs"),
        ("GET", "/v2"),
        ("POST", "/v1/jobs"),
        ("POST", "/v1/models/image/predict"),
        ("POST", "/v2/models/image/infer"),
        ("GET", "/v1/models/image/versions/1/files/signature.json"),
    ):
        response = shared.client.request(method, path, headers=headers, content=b"{}")
        assert response.status_code < 500 or response.status_code == 501


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_orders_have_to_come_as_json(shared: Api, content_type: str | None) -> None:
    """A browser sends these types across origins without asking anybody."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = shared.client.post(
        "/v1/jobs", content=b'{"pipeline": "diagnostics"}', headers=headers
    )
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


LIMIT = 1 << 20


@pytest.mark.parametrize(
    "path",
    ["/v1/jobs", "/v1/models/image/predict", "/v2/models/image/infer", "/v2/repository/index"],
)
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_20_mb_is_a_413(shared: Api, path: str, announced: bool) -> None:
    def pieces() -> Iterator[bytes]:
        yield from itertools.repeat(b"x" * 65536, 320)

    body = b"x" * (20 << 20) if announced else pieces()
    response = shared.client.post(path, content=body, headers=JSON)
    assert response.status_code == 413
    in_form(response, v2=path.startswith("/v2"))
    assert str(LIMIT) in response.text


@pytest.mark.parametrize("path", ["/v1/jobs", "/v2/models/image/infer"])
def test_a_body_that_is_announced_too_large_is_refused_unread(shared: Api, path: str) -> None:
    answer = raw(shared, head("POST", path, f"Content-Length: {20 << 20}", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("path", ["/v1/jobs", "/v2/models/image/infer"])
def test_a_body_at_the_limit_is_read(shared: Api, path: str) -> None:
    body = b"{" + b" " * (LIMIT - 2) + b"}"
    assert shared.client.post(path, content=body, headers=JSON).status_code in {400, 422}
    assert shared.client.post(path, content=body + b" ", headers=JSON).status_code == 413


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode("latin-1")


def raw(api: Api, *parts: bytes, half_close: bool = False) -> bytes:
    """What comes back for bytes on the wire, until the server closes or is silent for long."""
    address = (str(api.client.base_url.host), int(api.client.base_url.port or 0))
    with socket.create_connection(address, timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def problem_in(answer: bytes) -> tuple[bytes, dict[str, Any]]:
    """The status and the body of a refusal, which closes its connection."""
    top, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in top.lower()
    return top.split(b" ")[1], json.loads(body)


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: -1"],
        ["Content-Length: x"],
        ["Content-Length: 99999999999999999999999999"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Transfer-Encoding: nonsense"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["No colon here"],
    ],
)
def test_what_is_no_http_is_told_so_in_the_form_of_each_surface(
    shared: Api, lines: list[str]
) -> None:
    status, problem = problem_in(raw(shared, head("POST", "/v1/jobs", *lines)))
    assert (status, problem["status"], problem["code"]) == (b"400", 400, "invalid_http")
    status, problem = problem_in(raw(shared, head("POST", "/v2/models/image/infer", *lines)))
    assert (status, list(problem)) == (b"400", ["error"])
    assert shared.client.get("/healthz").is_success


def test_an_unknown_method_is_told_so(shared: Api) -> None:
    status, problem = problem_in(raw(shared, b"NONSENSE /v1/jobs HTTP/1.1\r\n\r\n"))
    assert (status, problem["code"]) == (b"400", "invalid_http")
    status, problem = problem_in(raw(shared, b"\x16\x03\x01\x02\x00 not even text"))
    assert (status, problem["code"]) == (b"400", "invalid_http")


def test_endless_headers_are_a_4xx_and_the_server_lives(shared: Api) -> None:
    lines = ["Connection: close", "X: " + "y" * 100_000]
    answer = raw(shared, head("POST", "/v1/jobs", *lines), half_close=True)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert shared.client.get("/healthz").is_success


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/models/image/predict", "/v2/models/image/infer"])
def test_a_body_that_ends_too_soon_is_told_so(shared: Api, path: str) -> None:
    lines = ("Content-Type: application/json", "Content-Length: 100")
    answer = raw(shared, head("POST", path, *lines), b'{"inputs": [', half_close=True)
    status, problem = problem_in(answer)
    assert status == b"400"
    assert "the rest of the body" in (problem["error"] if "/v2/" in path else problem["detail"])
    assert shared.client.get("/healthz").is_success


def test_a_chunk_that_is_none_ends_the_request(shared: Api) -> None:
    lines = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    answer = raw(shared, head("POST", "/v1/jobs", *lines), b"5\r\nhello\r\nxyz\r\n")
    status, problem = problem_in(answer)
    assert (status, problem["code"]) == (b"400", "invalid_http")


@pytest.mark.parametrize("closing", [["Connection: close"], []])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v2/models/image/infer"])
def test_a_body_that_stops_coming_is_given_up(
    shared: Api, path: str, closing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "SILENCE_S", 0.05)
    monkeypatch.setattr(protocol, "SILENCE_S", 0.05)
    lines = ("Content-Type: application/json", "Content-Length: 100", *closing)
    ((status, body),) = talk(shared.client, [head("POST", path, *lines), b'{"inputs": ['], 1)
    assert status in {400, 422}
    assert b"stopped after 12 bytes" in body


@pytest.mark.parametrize("closing", [["Connection: close"], []])
def test_a_longer_body_than_announced_costs_no_answer(shared: Api, closing: list[str]) -> None:
    """The job is accepted by what was announced; its owner has to hear of it."""
    body = b'{"pipeline": "diagnostics"}'
    lines = ("Content-Type: application/json", f"Content-Length: {len(body)}", *closing)
    answer = raw(shared, head("POST", "/v1/jobs", *lines), body + b"garbage\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 202")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["pipeline"] == "diagnostics"
    assert shared.client.get("/healthz").is_success
