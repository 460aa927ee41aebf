"""The process that opens a model which nobody vouches for: one for each import, short-lived, with
limits of time and memory, and without the service's credentials."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from models.imports.requests import ANSWER, ImportRequest
from services.errors import FieldError, Invalid, Unavailable

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ("TORCHKILN_", "OTEL_")
"""How names of variables begin that tell of the service, or of who receives its traces."""
COMMAND = (sys.executable, "-m", "models.imports")
STDERR_TAIL = 2000
"""Bytes of what a process wrote that ended without an answer, for the log."""

log: Any = structlog.get_logger(__name__)


class Importer:
    """Use from any number of threads."""

    def __init__(self, *, limit_s: float, command: Sequence[str] = COMMAND) -> None:
        self._limit_s = limit_s
        self._command = tuple(command)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(self, request: ImportRequest, directory: Path) -> dict[str, Any]:
        """→ `publication` and `origin`. `directory` is the import's own.

        Raises `Invalid` (`invalid_model`), also where the file makes the process take too long or
        die, and `Unavailable` if the service stops meanwhile.
        """
        request.write(directory)
        stderr = directory / "stderr"
        with stderr.open("wb") as said:
            process = self._start(directory, said.fileno())
            try:
                self._wait(process)
            finally:
                self._end(process)
        answer = directory / ANSWER
        if not answer.is_file():
            tail = stderr.read_bytes()[-STDERR_TAIL:].decode(errors="replace")
            log.error("import_died", returncode=process.returncode, stderr=tail)
            if self._closed:
                raise Unavailable("the service is stopping")
            raise _refused("file", f"the process that checked it {_end_of(process.returncode)}")
        found: dict[str, Any] = json.loads(answer.read_bytes())
        if "refused" in found:
            raise _refused(found["refused"]["field"], found["refused"]["message"])
        return found

    def close(self) -> None:
        """End what is running, for good."""
        with self._lock:
            self._closed = True
            running = tuple(self._running)
        for process in running:
            _kill(process)

    def _start(self, directory: Path, stderr: int) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise Unavailable("the service is stopping")
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*self._command, str(directory)],
                stdin=subprocess.PIPE,  # its end tells it of ours
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,
                env=_environment(),
            )
            self._running.add(process)
        return process

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        start = time.monotonic()
        try:
            process.wait(self._limit_s)
        except subprocess.TimeoutExpired:
            log.warning("import_too_slow", limit_s=self._limit_s)
            raise _refused(
                "file", f"expected a model that is checked within {self._limit_s:g} s, got none yet"
            ) from None
        log.info("import_checked", seconds=round(time.monotonic() - start, 3))

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Leave nothing of it behind, compilers that it has started included."""
        with self._lock:
            self._running.discard(process)
        _kill(process)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # all of it has ended
        return


def _end_of(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with status {returncode} and no answer"
    return f"was ended by {signal.Signals(-returncode).name}"


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    path = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {"OMP_WAIT_POLICY": "passive", **kept, "PYTHONPATH": os.pathsep.join(path)}


def _refused(field: str, message: str) -> Invalid:
    return Invalid(
        "the file cannot be imported as a model",
        code="invalid_model",
        errors=(FieldError(field, message),),
    )
