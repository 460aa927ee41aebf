"""HTTP/1.1 as uvicorn speaks it, with errors in the contract's form and a short way for inference.

The class behind uvicorn's documented option `http=`, and with `api/fast.py` the only place that
leans on its internals, whose version is pinned. Two things are its own:

- uvicorn answers what is no HTTP with plain text, at once, even where a request before it on the
  same connection has an answer under way;
- an inference request with nothing unusual about it is read and answered right here. Whatever is
  unusual goes through uvicorn's parser to the application, byte for byte as it came.
"""

from __future__ import annotations

from asyncio import Task
from functools import partial
from typing import Any

from api.answer_heads import AnswerHeads
from api.bodies import SILENCE_S
from api.errors import Surface, body_of, problem_of, surface_of
from api.exchange import Exchange
from api.fast import FastInfer
from api.heads import Head
from api.infer import refusal
from api.lean_uvicorn import STATUS_LINE, HttpToolsProtocol
from api.request_ids import HEADER
from services.errors import Invalid
from services.serving.stats import clock_ns

NO_HTTP = Invalid(
    "expected a request in the form of RFC 9112, got other bytes", code="invalid_http"
)
CUT_SHORT = Invalid(
    "expected the rest of the body that the headers announce, got its end", code="incomplete_body"
)
END = b"\r\n\r\n"
answer_heads = AnswerHeads()


class Reading:
    """A body that comes in parts."""

    def __init__(self, fast: FastInfer, head: Head, block: bytes) -> None:
        self.fast = fast
        self.head = head
        self.block = block
        self.parts: list[bytes] = []
        self._missing = head.length

    def add(self, data: bytes) -> bytes | None:
        """→ what comes behind the body; None while it is not whole."""
        self.parts.append(data[: self._missing])
        self._missing -= len(data)
        if self._missing > 0:
            return None
        return data[len(data) + self._missing :]

    def stopped(self) -> Invalid:
        size = self.head.length - self._missing
        return Invalid(f"the body stopped after {size} bytes", code="incomplete_body")


class KilnProtocol(HttpToolsProtocol):
    def __init__(self, *args: Any, fast: FastInfer | None = None, **named: Any) -> None:
        """`fast`: the short way; None is without it."""
        super().__init__(*args, **named)
        self._fast = fast
        self._parsing = False
        """Whether uvicorn's parser is within a request."""
        self._reading: Reading | None = None
        """The request whose body this is collecting by itself."""
        self._answering = False
        """Whether this is answering a request by itself."""
        self.exchange: Exchange | None = None
        self._held = b""
        """What came while a request had no answer yet, or the client did not read its answers."""
        self._closing = False
        """Whether the present answer is the last."""
        self._heard_ns = 0

    def data_received(self, data: bytes) -> None:
        if self._answering or self._held or self.flow.write_paused:
            self._held += data
            self.flow.pause_reading()
        elif self._reading is not None:
            self._read_on(self._reading, data)
        elif self._fast is None or self._parsing or not self._begin(self._fast, data):
            super().data_received(data)

    def on_message_begin(self) -> None:
        self._parsing = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._parsing = False
        super().on_message_complete()

    def _begin(self, fast: FastInfer, data: bytes) -> bool:
        """Whether `data` begin with a request for the short way."""
        end = data.find(END) + 4
        if end < 4:
            return False
        block = data[:end]
        head = fast.heads[block]
        if head is None or (self.cycle and self._busy()):
            return False
        self._heard_ns = clock_ns()
        if len(data) - end == head.length:
            self._infer(fast, head, data, end)
            return True
        self._reading = Reading(fast, head, block)
        self._unset_keepalive_if_required()
        self._look_again(SILENCE_S)
        self._read_on(self._reading, data[end:])
        return True

    def _read_on(self, reading: Reading, data: bytes) -> None:
        self._heard_ns = clock_ns()
        rest = reading.add(data)
        if rest is None:
            return
        self._reading = None
        self._held = rest
        request = b"".join((reading.block, *reading.parts))
        self._infer(reading.fast, reading.head, request, len(reading.block))

    def _infer(
        self, fast: FastInfer, head: Head, request: bytes, start: int, *, waits: bool = True
    ) -> None:
        """Its body is from `start` on."""
        self._answering = True
        if fast.begin(head, request, start, self, self._heard_ns):
            return
        news = fast.news(head, self._heard_ns) if waits else None
        if news is not None:
            news.add_done_callback(partial(self._infer_again, fast, head, request, start))
            return
        self._answering = False
        held, self._held = self._held, b""
        self.flow.resume_reading()
        super().data_received(request + held)
        if self._closing:  # said before uvicorn knew of a request
            super().shutdown()

    def _infer_again(
        self, fast: FastInfer, head: Head, request: bytes, start: int, _news: Task[Any]
    ) -> None:
        if self._answering:  # else the client has gone
            self._infer(fast, head, request, start, waits=False)

    def succeed(
        self, own_id: bytes, opening: bytes, values: bytes, closing: bytes, head_length: int | None
    ) -> int:
        """The answer of `api.fast` to the request that this is answering."""
        if self.server_state.default_headers is not answer_heads.defaults:
            answer_heads.renew(self.server_state.default_headers)
        head = answer_heads[len(opening) + len(values) + len(closing), head_length]
        return self._send(b"".join((head, own_id, END, opening, values, closing)))

    def refuse(self, error: Exception, own_id: bytes) -> tuple[int, int]:
        """The same where there is none. → its status, and when."""
        answer = refusal(error, own_id)
        length = (b"content-length", b"%d" % len(answer.body))
        headers = [*self.server_state.default_headers, *answer.headers, length, (HEADER, own_id)]
        lines = [b"%s: %s\r\n" % header for header in headers]
        parts = [STATUS_LINE[answer.status], *lines, b"\r\n", answer.body]
        return answer.status, self._send(b"".join(parts))

    def _send(self, response: bytes) -> int:
        """→ when, by `clock_ns`; 0 where there is nobody to send it to."""
        answering, self._answering, self.exchange = self._answering, False, None
        if not answering or self.transport.is_closing():
            return 0
        self.transport.write(response)
        self._heard_ns = now = clock_ns()
        self.server_state.total_requests += 1
        if self._closing:
            self.transport.close()
            return now
        if self.timeout_keep_alive_task is None:
            self._look_again(self.timeout_keep_alive)
        if self._held:
            self.loop.call_soon(self._go_on)
        return now

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._held:
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """With what was held, unless it is not its turn yet: then somebody calls this again."""
        if self._answering or self.flow.write_paused or self.transport.is_closing():
            return
        held, self._held = self._held, b""
        self.flow.resume_reading()
        if held:
            self.data_received(held)

    def _look_again(self, delay_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            delay_s, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        """One timer a connection, set again when it goes off too early, and not one a request."""
        self.timeout_keep_alive_task = None
        quiet_s = (clock_ns() - self._heard_ns) / 1e9
        if self._reading is not None and quiet_s >= SILENCE_S:
            self._refuse(self._reading.stopped())
        elif self._reading is not None:
            self._look_again(SILENCE_S - quiet_s)
        elif self._answering:
            self._look_again(self.timeout_keep_alive)
        elif quiet_s < self.timeout_keep_alive:
            self._look_again(self.timeout_keep_alive - quiet_s)
        else:
            super().timeout_keep_alive_handler()

    def on_response_complete(self) -> None:
        self._heard_ns = clock_ns()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.exchange is not None:
            self.exchange.drop()
        self._answering = False
        self.exchange = self._reading = None
        self._held = b""
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        if not self._answering and self._reading is None:
            super().shutdown()
        self._closing = True

    def send_400_response(self, msg: str) -> None:
        """Called for bytes that are no request: garbage, a bad length, an unknown method."""
        if self._busy() and not self.cycle.more_body:
            # They came behind a request that was whole. It has its answer, and then nothing more
            # is read of this connection, where nobody knows any more what the bytes mean.
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        self._refuse(NO_HTTP)

    def eof_received(self) -> None:
        """The client sends no more. In the middle of a body that is an error worth an answer, since
        it may still listen; at any other time it has gone, and the connection is closed."""
        if self._reading is not None or self._in_body():
            self._refuse(CUT_SHORT)

    def _in_body(self) -> bool:
        return self._busy() and self.cycle.more_body and not self.cycle.response_started

    def _busy(self) -> bool:
        """Whether the application is answering a request of this connection."""
        cycle: Any = self.cycle  # None at first, whatever uvicorn's types say
        return cycle is not None and not cycle.response_complete

    def _refuse(self, error: Invalid) -> None:
        if self.transport.is_closing():
            return
        if self._reading is not None:
            surface: Surface = "v2"
        else:
            path = getattr(self, "url", b"").decode("latin-1")
            surface = surface_of(path.partition("?")[0])
        _, body, media_type = body_of(problem_of(error), surface)
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\n"
            b"content-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (media_type.encode(), len(body), body)
        )
        self.transport.close()
