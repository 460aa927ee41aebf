"""A job's events as a live stream that survives broken connections."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import cast

import httpx
import orjson
from httpx_sse import EventSource, SSEError

from torchkiln.client.patience import Patience
from torchkiln.client.transport import CONNECT_S, Transport, path
from torchkiln.errors import TorchkilnError
from torchkiln.types import TERMINAL, Event

SILENCE_S = 45.0
"""A stream that says nothing for so long, not even a comment, is taken for dead."""
REOPEN_S = 0.5


class EventStream:
    """Iterates over the events of a job, oldest first, until the job has ended.

    The server closes the stream after the terminal `status` event. A stream that ends otherwise
    is opened again from the last event that arrived (`Last-Event-ID`), so each event comes once.
    """

    def __init__(
        self, transport: Transport, job_id: str, *, after: int = 0, patience_s: float = 60.0
    ) -> None:
        self._transport = transport
        self._url = path("v1", "jobs", job_id)
        self._last = after
        self._ended = False
        self._patience = Patience(patience_s)

    def __iter__(self) -> Iterator[Event]:
        while not self._ended:
            try:
                yield from self._connection()
                self._ended = self._ended or self._job_is_over()
            except TorchkilnError as error:
                self._ended = False  # an event may have said so, but the server did not close
                self._patience.failed(error)

    def _connection(self) -> Iterator[Event]:
        """The events of one connection; returns when the server closes it in good order."""
        headers = {
            "Accept": "text/event-stream",
            "Cache-Control": "no-store",
            "Last-Event-ID": str(self._last),
        }
        timeout = httpx.Timeout(CONNECT_S, read=SILENCE_S)
        url = f"{self._url}/events"
        with self._transport.stream("GET", url, headers=headers, timeout=timeout) as response:
            self._patience.succeeded()
            try:
                for sse in EventSource(response).iter_sse():
                    if not sse.data:
                        continue
                    event = cast(Event, orjson.loads(sse.data))
                    if event["id"] <= self._last:
                        continue  # replayed by a server that does not know Last-Event-ID
                    self._last = event["id"]
                    self._ended = is_terminal(event)
                    yield event
            except SSEError as error:
                raise TorchkilnError(f"{url} is not an event stream: {error}") from error
            except (orjson.JSONDecodeError, KeyError, TypeError) as error:
                raise TorchkilnError(f"{url} sent an event that is not JSON: {error}") from error

    def _job_is_over(self) -> bool:
        """Asked when a stream ended without the news that the job did."""
        if self._transport.get(self._url)["status"] in TERMINAL:
            return True
        time.sleep(REOPEN_S)  # a proxy has cut the stream, or the service shuts down
        return False


def is_terminal(event: Event) -> bool:
    """Whether an event tells that its job has ended."""
    return event["type"] == "status" and event["data"].get("status") in TERMINAL
