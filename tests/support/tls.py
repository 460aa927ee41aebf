"""TLS before a server that has none, with a certificate of a test's own authority."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path

import trustme


class _Front:
    """In an event loop of its own."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.listens: Future[int] = Future()
        self._port = port
        self._context = context
        self._ended = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    async def run(self) -> None:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0, ssl=self._context)
        self._loop = asyncio.get_running_loop()
        self.listens.set_result(server.sockets[0].getsockname()[1])
        await self._ended.wait()
        server.close()
        for writer in self._writers:
            # Not close(), which waits half a minute for a client that keeps its end open.
            writer.transport.abort()
        ends = [writer.wait_closed() for writer in self._writers]
        await asyncio.gather(*ends, return_exceptions=True)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, onward = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, onward}
        await asyncio.gather(_pump(reader, onward), _pump(behind, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextmanager
def before(port: int, directory: Path) -> Generator[tuple[int, Path]]:
    """→ the port that takes connections for `port` of this machine over TLS, and a file with the
    authority to trust."""
    authority = trustme.CA()
    ca_file = directory / "authority.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    front = _Front(port, context)
    thread = threading.Thread(target=asyncio.run, args=[front.run()])
    thread.start()
    try:
        yield front.listens.result(30), ca_file
    finally:
        front.end()
        thread.join()
