"""What load generators print, and what an open loop's figures mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.serving import h2load, wrk
from benchmarks.serving.http_answers import Refused, is_whole
from benchmarks.serving.load import LoadFailed
from benchmarks.serving.openloop_stats import due_s, is_late, summary

WRK = {
    "requests": 3000,
    "duration_us": 2_000_000,
    **dict.fromkeys(wrk.ERRORS, 0),
    "p50_us": 120,
    "p90_us": 150,
    "p99_us": 900,
    "p999_us": 1500,
    "max_us": 20_000,
}
H2LOAD = """
finished in 2.00s, 1500.00 req/s, 1.00MB/s
requests: 3002 total, 3002 started, 3000 done, 3000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 3000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 500.00KB (512000) total, 90.00KB (92160) headers, 307.62KB (315000) data
"""


def printed(**changes: Any) -> str:
    return f"Running 2s test @ http://127.0.0.1\n{json.dumps(WRK | changes)}\n"


def test_wrk_s_last_line_is_the_figures() -> None:
    load = wrk.parse(printed())
    assert (load.requests, load.requests_per_s) == (3000, 1500)
    assert (load.p50_ms, load.p99_ms, load.p999_ms, load.max_ms) == (0.12, 0.9, 1.5, 20)


@pytest.mark.parametrize("error", wrk.ERRORS)
def test_one_failed_request_fails_a_run_of_wrk(error: str) -> None:
    with pytest.raises(LoadFailed, match=f"1 of {error}"):
        wrk.parse(printed(**{error: 1}))


@pytest.mark.parametrize("output", ["", "Segmentation fault\n", '{"p50_us": -nan}'])
def test_output_without_figures_fails_the_run(output: str) -> None:
    with pytest.raises(LoadFailed, match="expected wrk's figures"):
        wrk.parse(output)


def test_a_run_without_answers_fails() -> None:
    with pytest.raises(LoadFailed, match="no answers"):
        wrk.parse(printed(requests=0))


def test_grpc_errors_show_in_the_bytes_that_came() -> None:
    """They have status 200 and no message."""
    h2load.check(H2LOAD, 100)
    with pytest.raises(LoadFailed, match="expected 318000 bytes of answers, got 315000"):
        h2load.check(H2LOAD, 101)


def test_failed_calls_of_h2load_fail_the_run() -> None:
    with pytest.raises(LoadFailed, match="2 failed"):
        h2load.check(H2LOAD.replace("0 failed", "2 failed"), 100)
    assert h2load.latencies_s("1700\t200\t350\n1701\t200\t1000\n") == [0.00035, 0.001]


def test_percentiles_are_values_that_occurred() -> None:
    load = summary([index / 1000 for index in range(1000, 0, -1)], 5, rate=100, seconds=10)
    assert (load.p50_ms, load.p99_ms, load.p999_ms, load.max_ms) == (500, 990, 999, 1000)
    assert (load.requests, load.requests_per_s, load.late_share) == (1000, 100, 0.005)


def test_a_stall_counts_for_every_request_that_was_due_in_it() -> None:
    """The correction for coordinated omission: one connection, 1,000 requests a second, and a
    server that answers at once but for a stall of 0.1 s at the start."""
    latencies: list[float] = []
    free = 0.0
    for index in range(1000):
        due = due_s(index, 1000)
        free = max(due, free) + (0.1 if index == 0 else 0.0)
        latencies.append(free - due)
    load = summary(latencies, 0, rate=1000, seconds=1)
    assert load.max_ms == pytest.approx(100)
    assert load.p99_ms == pytest.approx(91, abs=1)  # a closed loop would have seen one slow request
    assert load.p50_ms == 0


def test_waiting_for_a_connection_is_not_the_generator_s_fault() -> None:
    assert not is_late(due=1.0, free_since=3.0, sent=3.0005)
    assert is_late(due=1.0, free_since=0.5, sent=1.0011)


@pytest.mark.parametrize(
    ("head", "body", "last"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"hell", b"o"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx", b"\r\n0\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", b"\r", b"\n"),
    ],
)
def test_an_answer_is_whole_with_its_last_byte(head: bytes, body: bytes, last: bytes) -> None:
    assert not is_whole(head[:20])
    assert not is_whole(head + body)
    assert is_whole(head + body + last)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 429 Busy\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
)
def test_an_answer_that_cannot_be_counted_is_refused(answer: bytes) -> None:
    with pytest.raises(Refused, match="expected"):
        is_whole(answer)
