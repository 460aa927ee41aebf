"""What was found to be fast on this host: a small file for each model file and backend.

The key has all that the figures depend on, so that a new processor, another number of cores or a
new version of a library measures again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models import host
from models.backends.base import DEFAULTS, Backend, Options
from models.files import sha256, write_atomically

Key = Mapping[str, Any]
POLL_S = 0.05


@dataclass(frozen=True)
class Choice:
    """How to load: threads of a call (None: as the library likes), and the backend's options."""

    threads: int | None = 1
    options: Options = field(default_factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        return {"threads": self.threads, "options": dict(self.options)}


def key_of(backend: Backend, directory: Path) -> dict[str, Any]:
    """Raises `OSError` where the model file cannot be read."""
    return {
        "backend": backend.name,
        "file_sha256": sha256(directory / backend.file),
        "cpu_model": host.cpu_model(),
        "cores": host.cores(),
        "versions": host.versions(),
    }


class Notes:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def file(self, key: Key, suffix: str = ".json") -> Path:
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        return self._directory / f"{key['backend']}-{digest[:32]}{suffix}"

    def find(self, key: Key, allowed: Sequence[Options]) -> Choice | None:
        """The choice, if there is one that can still be made. A file that is damaged is none."""
        try:
            value: Any = json.loads(self.file(key).read_bytes())
            choice = Choice(value["choice"]["threads"], value["choice"]["options"])
            known = value["key"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        threads = choice.threads is None or (
            type(choice.threads) is int and 1 <= choice.threads <= key["cores"]
        )
        if known != key or not threads or choice.options not in (DEFAULTS, *allowed):
            return None
        return choice

    def keep(self, key: Key, choice: Choice, tried: Sequence[Mapping[str, Any]]) -> None:
        """Raises `OSError` where the directory cannot be written."""
        self._directory.mkdir(parents=True, exist_ok=True)
        note = {"key": key, "choice": choice.to_json(), "tried": list(tried)}
        write_atomically(self.file(key), json.dumps(note, indent=2).encode())

    @contextmanager
    def alone(self, patience_s: float) -> Generator[bool]:
        """Keeps the processes of a host from measuring at once, each in the other's way.

        Yields False where another is still at it after `patience_s`.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            yield _locked(descriptor, patience_s)
        finally:
            os.close(descriptor)  # which gives the lock back


def _locked(descriptor: int, patience_s: float) -> bool:
    until = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(POLL_S)
        else:
            return True
