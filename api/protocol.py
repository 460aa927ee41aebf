"""HTTP/1.1 as uvicorn speaks it, with errors in the contract's form and a short way for inference.

The class behind uvicorn's documented option `http=`, and with `api/fast.py` the only place that
leans on its internals, whose version is pinned. Two things are its own:

- uvicorn answers what is no HTTP with plain text, at once, even where a request before it on the
  same connection has an answer under way;
- an inference request with nothing unusual about it is read and answered right here. Whatever is
  unusual goes through uvicorn's parser to the application, byte for byte as it came.
"""

from __future__ import annotations

import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.answer_heads import AnswerHeads
from api.bodies import SILENCE_S
from api.errors import Surface, body_of, problem_of, surface_of
from api.fast import Exchange, FastInfer
from api.heads import Head
from api.infer import Answer
from api.request_ids import HEADER
from services.errors import Invalid

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
        self._answering: Head | None = None
        """The request that this is answering by itself."""
        self._exchange: Exchange | None = None
        self._held = b""
        """What came while a request had no answer yet, or the client did not read its answers."""
        self._closing = False
        """Whether the present answer is the last."""
        self._heard = 0.0

    def data_received(self, data: bytes) -> None:
        if self._answering is not None or self._held or self.flow.write_paused:
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
        head = fast.heads.get(block)
        if head is None or self._busy():
            return False
        self._heard = time.monotonic()
        if len(data) - end == head.length:
            self._infer(fast, head, block, data[end:])
            return True
        self._reading = Reading(fast, head, block)
        self._unset_keepalive_if_required()
        self._look_again(SILENCE_S)
        self._read_on(self._reading, data[end:])
        return True

    def _read_on(self, reading: Reading, data: bytes) -> None:
        self._heard = time.monotonic()
        rest = reading.add(data)
        if rest is None:
            return
        self._reading = None
        self._held = rest
        self._infer(reading.fast, reading.head, reading.block, b"".join(reading.parts))

    def _infer(self, fast: FastInfer, head: Head, block: bytes, body: bytes) -> None:
        self._answering = head
        exchange = fast.begin(head, body, self)
        if exchange is None:
            self._answering = None
            held, self._held = self._held, b""
            super().data_received(block + body + held)
        elif not exchange.refused:
            self._exchange = exchange

    def succeed(self, body: bytes, head_length: int | None, own_id: bytes) -> None:
        """The answer of `api.fast` to the request that this is answering."""
        defaults = self.server_state.default_headers
        head = answer_heads.of(defaults, len(body), head_length)
        self._send(200, b"".join((head, own_id, END, body)))

    def refuse(self, answer: Answer, own_id: bytes) -> None:
        """The same, where there is none."""
        length = (b"content-length", b"%d" % len(answer.body))
        headers = [*self.server_state.default_headers, *answer.headers, length, (HEADER, own_id)]
        lines = [b"%s: %s\r\n" % header for header in headers]
        parts = [STATUS_LINE[answer.status], *lines, b"\r\n", answer.body]
        self._send(answer.status, b"".join(parts))

    def _send(self, status: int, response: bytes) -> None:
        head, self._answering, self._exchange = self._answering, None, None
        if head is None or self._fast is None or self.transport.is_closing():
            return
        self.transport.write(response)
        now = time.monotonic()
        self._fast.count(head, status, now - self._heard)
        self._heard = now
        self.server_state.total_requests += 1
        if self._closing:
            self.transport.close()
            return
        if self.timeout_keep_alive_task is None:
            self._look_again(self.timeout_keep_alive)
        if self._held:
            self.loop.call_soon(self._go_on)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._held:
            self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """With what was held, unless it is not its turn yet: then somebody calls this again."""
        if self._answering is not None or self.flow.write_paused or self.transport.is_closing():
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
        quiet_s = time.monotonic() - self._heard
        if self._reading is not None and quiet_s >= SILENCE_S:
            self._refuse(self._reading.stopped())
        elif self._reading is not None:
            self._look_again(SILENCE_S - quiet_s)
        elif self._answering is not None:
            self._look_again(self.timeout_keep_alive)
        elif quiet_s < self.timeout_keep_alive:
            self._look_again(self.timeout_keep_alive - quiet_s)
        else:
            super().timeout_keep_alive_handler()

    def on_response_complete(self) -> None:
        self._heard = time.monotonic()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._exchange is not None:
            self._exchange.drop()
        self._answering = self._exchange = self._reading = None
        self._held = b""
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        if self._answering is None and self._reading is None:
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
