"""The API processes of one host that share a data directory, and mostly a port.

A scrape of the port meets one of them, so each tells the others what it has counted, over a Unix
socket in a directory that only their user can enter.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import structlog

from api.figures import Figures

TIMEOUT_S = 1.0
"""How long a sibling may take; one that is that busy is left out of this scrape."""

log = structlog.get_logger(__name__)


class Siblings:
    def __init__(self, data_dir: Path, own: Callable[[], Figures]) -> None:
        # Not in the data directory itself: a socket's path may have some hundred characters only.
        digest = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
        self._directory = Path(tempfile.gettempdir(), f"torchkiln-{os.getuid()}-{digest}")
        self._path = self._directory / f"{os.getpid()}-{id(self):x}.sock"
        self._own = own
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """A process that cannot listen goes uncounted by the others, which is no reason to end."""
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            self._server = await asyncio.start_unix_server(self._tell, self._path)
        except OSError as error:
            log.warning("metrics_not_shared", reason=error.strerror)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
            with suppress(OSError):  # others are still there
                self._directory.rmdir()

    def all(self) -> Figures:
        """Of this process and the others. Not for the event loop: it waits for them."""
        total = self._own()
        for figures in self._others():
            total = total + figures
        return total

    async def _tell(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(self._own().to_bytes())
            await writer.drain()
        writer.close()

    def _others(self) -> Iterator[Figures]:
        for path in self._directory.glob("*.sock"):
            if path != self._path:
                with suppress(OSError, ValueError, KeyError, TypeError):
                    yield Figures.from_bytes(_ask(path))


def _ask(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(str(path))
        except ConnectionRefusedError:  # its process was killed
            path.unlink(missing_ok=True)
            raise
        parts: list[bytes] = []
        while part := connection.recv(1 << 16):
            parts.append(part)
        return b"".join(parts)
