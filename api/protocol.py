"""HTTP/1.1 as uvicorn speaks it, with errors in the contract's form.

uvicorn answers what is no HTTP with plain text, at once, even where a request before it on the same
connection has an answer under way. This is the class behind its documented option `http=`, and the
only place that leans on uvicorn's internals, whose version is pinned.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.errors import body_of, problem_of, surface_of
from services.errors import Invalid

NO_HTTP = Invalid(
    "expected a request in the form of RFC 9112, got other bytes", code="invalid_http"
)
CUT_SHORT = Invalid(
    "expected the rest of the body that the headers announce, got its end", code="incomplete_body"
)


class KilnProtocol(HttpToolsProtocol):
    def send_400_response(self, msg: str) -> None:
        """Called for bytes that are no request: garbage, a bad length, an unknown method."""
        if self._answering():
            # They came behind a request that was whole. It has its answer, and then nothing more
            # is read of this connection, where nobody knows any more what the bytes mean.
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        self._refuse(NO_HTTP)

    def eof_received(self) -> None:
        """The client sends no more. In the middle of a body that is an error worth an answer, since
        it may still listen; at any other time it has gone, and the connection is closed."""
        if self._reading():
            self._refuse(CUT_SHORT)

    def _answering(self) -> bool:
        return self._busy() and not self.cycle.more_body

    def _reading(self) -> bool:
        return self._busy() and self.cycle.more_body and not self.cycle.response_started

    def _busy(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    def _refuse(self, error: Invalid) -> None:
        if self.transport.is_closing():
            return
        path = getattr(self, "url", b"").decode("latin-1")
        _, body, media_type = body_of(problem_of(error), surface_of(path.partition("?")[0]))
        self.transport.write(
            b"HTTP/1.1 400 Bad Request\r\n"
            b"content-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
            % (media_type.encode(), len(body), body)
        )
        self.transport.close()
