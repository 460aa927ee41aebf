"""Events as a list, and live over real connections."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource, ServerSentEvent, connect_sse

from api import sse
from services.attempts import Report
from services.claims import Claim
from services.container import Container
from services.errors import Unavailable
from services.events import NewEvent
from services.job_state import Outcome
from tests.api.conftest import Api, Process
from tests.services import factories

STREAM = {"Accept": "text/event-stream"}


def metrics(container: Container, claim: Claim, *epochs: int) -> None:
    told = [NewEvent("metrics", f"epoch {epoch}", data={"epoch": epoch}) for epoch in epochs]
    assert container.attempts.record(claim, Report(events=told))


@pytest.fixture
def claim(container: Container) -> Claim:
    """A running job with two events: queued, running."""
    return factories.running(container)


def test_the_list_is_oldest_first_and_goes_on_after_a_number(
    client: httpx.Client, container: Container, claim: Claim
) -> None:
    metrics(container, claim, 1, 2)
    base = f"/v1/jobs/{claim.job.id}/events"
    listed = client.get(base).json()
    assert (listed["object"], listed["has_more"]) == ("list", False)
    assert [event["id"] for event in listed["data"]] == [1, 2, 3, 4]
    assert [event["type"] for event in listed["data"]] == ["status"] * 2 + ["metrics"] * 2
    assert set(listed["data"][2]) == {"id", "created_at", "type", "level", "message", "data"}
    assert listed["data"][2]["data"] == {"epoch": 1}
    page = client.get(base, params={"after": 1, "limit": 2}).json()
    assert ([event["id"] for event in page["data"]], page["has_more"]) == ([2, 3], True)


@pytest.mark.parametrize("accept", ["application/json", "*/*", "nonsense", "text/html,*/*;q=0.8"])
def test_a_list_is_what_all_but_streams_get(
    client: httpx.Client, claim: Claim, accept: str
) -> None:
    response = client.get(f"/v1/jobs/{claim.job.id}/events", headers={"Accept": accept})
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        *(({"after": after}, {}) for after in ("-1", "x", "9" * 30, "1.5")),
        *(({}, STREAM | {"Last-Event-ID": seq}) for seq in ("-1", "x", "9" * 30)),
    ],
)
def test_a_place_that_is_no_number_is_refused(
    client: httpx.Client, claim: Claim, query: dict[str, str], headers: dict[str, str]
) -> None:
    response = client.get(f"/v1/jobs/{claim.job.id}/events", params=query, headers=headers)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


def test_a_stream_of_no_job_is_a_404_and_no_stream(client: httpx.Client) -> None:
    response = client.get("/v1/jobs/job_nope/events", headers=STREAM)
    assert (response.status_code, response.json()["code"]) == (404, "job_not_found")


@contextmanager
def follow(
    url: str, job_id: str, *, query: dict[str, Any] | None = None, last: str | None = None
) -> Generator[EventSource]:
    path = f"{url}/v1/jobs/{job_id}/events"
    headers = {} if last is None else {"Last-Event-ID": last}
    with (
        httpx.Client(timeout=30) as client,
        connect_sse(client, "GET", path, params=query or {}, headers=headers) as source,
    ):
        yield source


def ids(events: Iterator[ServerSentEvent]) -> list[str]:
    return [event.id for event in events]


def test_a_stream_replays_then_follows_and_ends_with_the_job(process: Process) -> None:
    container = process.container
    claim = factories.running(container)
    with follow(process.url, claim.job.id) as source:
        assert source.response.headers["content-type"].startswith("text/event-stream")
        assert source.response.headers["cache-control"] == "no-cache"
        events = source.iter_sse()
        replayed = [next(events), next(events)]
        assert [event.id for event in replayed] == ["1", "2"]
        assert [event.event for event in replayed] == ["status", "status"]
        metrics(container, claim, 1)
        live = next(events)
        assert (live.id, live.event) == ("3", "metrics")
        shown = live.json()
        assert (shown["id"], shown["type"], shown["data"]) == (3, "metrics", {"epoch": 1})
        assert shown["created_at"].endswith("Z")
        container.attempts.finish(claim, Outcome.ERROR, code="error", message="boom")
        rest = list(events)  # ends because the server closes
    assert rest[-1].event == "status"
    assert rest[-1].json()["data"]["status"] == "failed"
    assert [int(event.id) for event in rest] == list(range(4, 4 + len(rest)))
    assert [event.json() for event in rest] == (
        httpx.get(f"{process.url}/v1/jobs/{claim.job.id}/events", params={"after": 3}).json()[
            "data"
        ]
    )


def test_a_stream_begins_behind_what_was_seen(process: Process) -> None:
    job_id = factories.submit(process.container)
    process.container.job_control.cancel(job_id)
    for query, last, expected in (
        (None, None, ["1", "2"]),
        ({"after": 1}, None, ["2"]),
        (None, "1", ["2"]),
        ({"after": 0}, "1", ["2"]),
        (None, "2", []),
        (None, "99", []),
    ):
        with follow(process.url, job_id, query=query, last=last) as source:
            assert ids(source.iter_sse()) == expected


def test_a_long_past_is_replayed_whole(process: Process) -> None:
    claim = factories.running(process.container)
    for start in range(0, 1200, 400):
        metrics(process.container, claim, *range(start, start + 400))
    process.container.attempts.finish(claim, Outcome.ERROR)
    with follow(process.url, claim.job.id) as source:
        assert [int(event) for event in ids(source.iter_sse())] == list(range(1, 1204))


def test_several_clients_follow_one_job(process: Process) -> None:
    claim = factories.running(process.container)
    with follow(process.url, claim.job.id) as one, follow(process.url, claim.job.id) as other:
        streams = [one.iter_sse(), other.iter_sse()]
        assert [[next(events).id for events in streams] for _ in range(2)] == [["1"] * 2, ["2"] * 2]
        metrics(process.container, claim, 1)
        assert [next(events).id for events in streams] == ["3", "3"]


def test_a_client_that_goes_away_leaves_nothing_behind(
    api: Api, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream's generator ends, and with it its questions to the database."""
    claim = factories.running(container)
    open_streams = 0
    real = sse.stream

    async def counted(*args: Any) -> Any:
        nonlocal open_streams
        open_streams += 1
        try:
            async for part in real(*args):
                yield part
        finally:
            open_streams -= 1

    monkeypatch.setattr(sse, "stream", counted)
    with connect_sse(api.client, "GET", f"/v1/jobs/{claim.job.id}/events") as source:
        events = source.iter_sse()
        next(events)
        assert open_streams == 1
    until(lambda: open_streams == 0)


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_streams_end_when_the_process_is_asked_to_stop(api: Api, container: Container) -> None:
    claim = factories.running(container)
    with connect_sse(api.client, "GET", f"/v1/jobs/{claim.job.id}/events") as source:
        events = source.iter_sse()
        next(events)
        api.state.closing.set()
        assert ids(events) == ["2"]


def test_a_silent_stream_is_kept_alive(
    api: Api, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "KEEPALIVE_S", 0)
    monkeypatch.setattr(sse, "POLL_S", 0.01)
    claim = factories.running(container)
    with api.client.stream("GET", f"/v1/jobs/{claim.job.id}/events", headers=STREAM) as response:
        lines = response.iter_lines()
        while next(lines) != ": ping":
            pass


def test_a_database_that_goes_away_only_delays_a_stream(
    api: Api, container: Container, claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "POLL_S", 0.01)
    real, failures = container.events.since, 0

    def failing(*args: Any, **named: Any) -> Any:
        nonlocal failures
        failures += 1
        raise Unavailable("the database does not answer")

    with connect_sse(api.client, "GET", f"/v1/jobs/{claim.job.id}/events") as source:
        assert isinstance(source, EventSource)
        events = source.iter_sse()
        next(events), next(events)
        monkeypatch.setattr(container.events, "since", failing)
        until(lambda: failures > 2)
        monkeypatch.setattr(container.events, "since", real)
        metrics(container, claim, 1)
        assert next(events).json()["data"] == {"epoch": 1}


def test_the_wire_form_is_that_of_the_standard(process: Process) -> None:
    """As seen by somebody who knows no library."""
    job_id = factories.submit(process.container)
    process.container.job_control.cancel(job_id)
    host, port = process.address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(
            f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    lines = [line for line in text.replace("\r\n", "\n").splitlines() if ": " in line]
    first = lines.index("event: status")
    assert json.loads(lines[first + 1].removeprefix("data: "))["id"] == 1
    assert lines[first + 2] == "id: 1"
