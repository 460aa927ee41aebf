"""Inference by the short way and by the application: the same answers, whatever the bytes."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Api, Both
from tests.support.raw_http import connect, read, request, talk

PATH = "/v2/models/binary/infer"
TENSOR = {"name": "features", "datatype": "FP32", "shape": [1, 2]}
GOOD = json.dumps({"inputs": [TENSOR | {"data": [0.5, -1]}]}).encode()
RAW = np.array([[0.5, -1]], np.float32).tobytes()
HEAD = json.dumps({"inputs": [TENSOR | {"parameters": {"binary_data_size": 8}}]}).encode()
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)
LENGTH = {"Inference-Header-Content-Length": str(len(HEAD))}
USUAL = request(GOOD, PATH)
TOP = USUAL[: -len(GOOD)]


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
        assert client.post("/v2/models/binary/versions/1/infer", content=GOOD).is_success
    assert asked == []
    assert both.slow.client.post(PATH, content=GOOD).is_success
    assert asked == [PATH]


@pytest.mark.parametrize(
    ("parts", "short"),
    [
        ([USUAL], True),
        ([USUAL[:40], USUAL[40:]], False),
        ([USUAL[:-20], USUAL[-20:]], True),
        ([TOP, GOOD], True),
        ([TOP, *(GOOD[i : i + 9] for i in range(0, len(GOOD), 9))], True),
        ([b"\r\n", USUAL], True),
        ([request(GOOD, PATH, Content_Length=None, content_length=str(len(GOOD)))], True),
        ([request(GOOD, PATH, Content_Length=None, CONTENT_LENGTH=str(len(GOOD)))], True),
        ([request(GOOD, PATH, Connection="close")], False),
        ([request(GOOD, PATH, version="1.0")], False),
        ([request(GOOD, PATH, Expect="100-continue")], False),
        ([request(GOOD, PATH + "?x=1")], False),
        ([request(GOOD, "/v2/models/%62inary/infer")], False),
        ([request(gzip.compress(GOOD), PATH, Content_Encoding="gzip")], False),
        ([request(CHUNKED, PATH, Content_Length=None, Transfer_Encoding="chunked")], False),
    ],
)
def test_however_the_bytes_come_they_are_answered(
    both: Both, asked: list[str], parts: list[bytes], short: bool
) -> None:
    known(both.fast)
    asked.clear()
    ((status, body),) = talk(both.fast.client, parts, 1, pause_s=0.005)
    assert (status, json.loads(body)["model_version"]) == (200, "1")
    assert (asked == []) is short


def test_who_waits_to_be_told_to_go_on_is_told(both: Both) -> None:
    known(both.fast)
    with connect(both.fast.client) as connection, connection.makefile("rb") as stream:
        connection.sendall(request(GOOD, PATH, Expect="100-continue")[: -len(GOOD)])
        assert stream.readline().startswith(b"HTTP/1.1 100")
        assert stream.readline() == b"\r\n"
        connection.sendall(GOOD)
        assert read(stream)[0] == 200


@pytest.mark.parametrize(
    "closing",
    [request(GOOD, PATH, Connection="close"), request(GOOD, PATH, version="1.0")],
)
def test_who_wants_the_connection_closed_has_it_closed(both: Both, closing: bytes) -> None:
    known(both.fast)
    with connect(both.fast.client) as connection, connection.makefile("rb") as stream:
        connection.sendall(USUAL + closing)
        assert [read(stream)[0] for _ in range(2)] == [200, 200]
        assert stream.read() == b""


def test_requests_in_a_row_are_answered_in_their_order(both: Both, asked: list[str]) -> None:
    known(both.fast)
    asked.clear()
    bodies = [
        json.dumps({"id": str(n), "inputs": [TENSOR | {"data": [n, 1]}]}).encode()
        for n in range(30)
    ]
    usual = [request(body, PATH) for body in bodies]
    mixed = [request(body, PATH + ("?a" if n % 3 else "")) for n, body in enumerate(bodies)]
    whole = b"".join(usual)
    for sent, slow in (([whole], 0), (usual, 0), ([b"".join(mixed)], 20), (mixed, 20)):
        asked.clear()
        answers = talk(both.fast.client, sent, len(bodies))
        assert [status for status, _ in answers] == [200] * len(bodies)
        assert [json.loads(body)["id"] for _, body in answers] == [str(n) for n in range(30)]
        assert slow <= len(asked) <= (30 if slow else 0)
    answers = talk(both.fast.client, [whole[:777], whole[777:]], len(bodies))
    assert [json.loads(body)["id"] for _, body in answers] == [str(n) for n in range(30)]


def test_answers_that_nobody_reads_are_not_written_without_end(both: Both) -> None:
    many = {"shape": [2000, 2], "data": [0.25] * 4000}
    body = json.dumps({"inputs": [TENSOR | many]}).encode()
    count = 150
    with connect(both.fast.client) as connection:
        sender = threading.Thread(target=connection.sendall, args=[request(body, PATH) * count])
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
        ({"X_Request_Timeout": "0"}, "X-Request-Timeout: expected seconds above 0"),
        ({"Inference_Header_Content_Length": "9999"}, "Inference-Header-Content-Length"),
        ({"Inference_Header_Content_Length": "-1"}, "Inference-Header-Content-Length"),
        ({"Inference_Header_Content_Length": "x"}, "Inference-Header-Content-Length"),
        ({"Inference_Header_Content_Length": ""}, "Inference-Header-Content-Length"),
    ],
)
def test_bad_headers_are_named_by_either_way(
    both: Both, headers: dict[str, str], said: str
) -> None:
    sent = [request(GOOD, PATH, **headers)]
    answers = [talk(api.client, sent, 1) for api in (both.fast, both.slow)]
    assert answers[0] == answers[1]
    ((status, body),) = answers[0]
    assert (status, said in json.loads(body)["error"]) == (400, True)


@pytest.mark.parametrize("lengths", [("5", "5"), (str(len(GOOD)), "6")])
def test_two_lengths_are_no_http_by_either_way(both: Both, lengths: tuple[str, str]) -> None:
    known(both.fast)
    fields = [f"Content-Length: {length}" for length in lengths]
    sent = [request(GOOD, PATH, Content_Length=None, fields=fields)]
    answers = [talk(api.client, sent, 1) for api in (both.fast, both.slow)]
    assert answers[0] == answers[1]
    assert answers[0][0][0] == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v2/models/nope/infer", 404), ("/v2/models/binary/versions/9/infer", 404)],
)
def test_what_is_not_there_is_a_404_by_either_way(both: Both, path: str, status: int) -> None:
    answers = [talk(api.client, [request(GOOD, path)], 1) for api in (both.fast, both.slow)]
    assert answers[0] == answers[1]
    assert answers[0][0][0] == status


def test_a_body_that_ends_too_soon_is_told(both: Both, asked: list[str]) -> None:
    known(both.fast)
    asked.clear()
    with connect(both.fast.client) as connection:
        connection.sendall(USUAL[:-10])
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            status, body = read(stream)
    assert (status, "the rest of the body" in json.loads(body)["error"]) == (400, True)
    assert asked == []


def test_the_clients_id_comes_back(both: Both) -> None:
    for api in (both.fast, both.slow):
        answer = api.client.post(PATH, content=GOOD, headers={"X-Request-Id": "mine-1"})
        assert answer.headers["X-Request-Id"] == "mine-1"
        for bad in ("", "not an id", "x" * 500):
            answer = api.client.post(PATH, content=GOOD, headers={"X-Request-Id": bad})
            assert answer.headers["X-Request-Id"].startswith("req_")
        assert api.client.post(PATH, content=GOOD).headers["X-Request-Id"].startswith("req_")


def damaged(good: bytes) -> st.SearchStrategy[bytes]:
    places = st.integers(0, len(good))
    return st.one_of(
        st.just(good),
        st.tuples(places, st.binary(max_size=3)).map(
            lambda cut: good[: cut[0]] + cut[1] + good[cut[0] :]
        ),
        st.tuples(places, places).map(lambda cut: good[: min(cut)] + good[max(cut) :]),
    )


NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(-9, 9)
JSON_BODIES = st.one_of(
    damaged(GOOD),
    st.just(GOOD.replace(b"0.5", b"1e39")),
    st.lists(NUMBERS, min_size=2, max_size=2).map(
        lambda data: json.dumps({"inputs": [TENSOR | {"data": data}]}).encode()
    ),
)
BINARY_BODIES = st.tuples(damaged(HEAD), st.just(RAW) | st.binary(min_size=7, max_size=9)).map(
    b"".join
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.tuples(JSON_BODIES, st.just(False)) | st.tuples(BINARY_BODIES, st.just(True)))
def test_both_ways_say_the_same_of_any_body(
    both: Both, asked: list[str], sent: tuple[bytes, bool]
) -> None:
    known(both.fast)
    asked.clear()
    body, binary = sent
    headers: dict[str, Any] = LENGTH if binary else {}
    answers = [
        api.client.post(PATH, content=body, headers=headers) for api in (both.fast, both.slow)
    ]
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].content == answers[1].content
    names = ("content-type", "content-length", "inference-header-content-length")
    assert [answers[0].headers.get(n) for n in names] == [answers[1].headers.get(n) for n in names]
    assert answers[0].status_code in {200, 400}
    assert asked == [PATH]  # the other one
