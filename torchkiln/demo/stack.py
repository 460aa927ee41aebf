"""The demo's own stack: `torchkiln up` on a free port with a fresh data directory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from torchkiln.errors import CannotRun
from torchkiln.supervisor.lock import DataDirLock
from torchkiln.supervisor.processes import die_with_parent

MARKER = ".made-by-torchkiln-demo"
STOP_S = 90.0
READY = "torchkiln is ready at "


@contextmanager
def running(data_dir: Path) -> Generator[str]:
    """The stack's address, while it runs. It is stopped in the end, whatever happens.

    Raises `CannotRun` if it does not start, or does not stop in good order.
    """
    empty(data_dir)
    process = _start(data_dir)
    try:
        yield _address(process)
    finally:
        _stop(process)


def empty(data_dir: Path) -> None:
    """Make a fresh data directory. Never removes files that no demo has made."""
    data_dir.mkdir(parents=True, exist_ok=True)
    if any(data_dir.iterdir()) and not (data_dir / MARKER).exists():
        raise CannotRun(f"{data_dir} is not empty, and not from a demo; give another --data-dir")
    lock = DataDirLock(data_dir)
    lock.acquire()
    try:
        (data_dir / MARKER).touch()
        for entry in data_dir.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != MARKER and entry.suffix != ".lock":
                entry.unlink()
    finally:
        lock.release()


def _start(data_dir: Path) -> subprocess.Popen[str]:
    # What the environment says about some other stack is not meant for this one.
    env = {key: value for key, value in os.environ.items() if not key.startswith("TORCHKILN_")}
    command = [sys.executable, "-m", "torchkiln", "up", "--port", "0", "--grpc-port", "0"]
    command += ["--dashboard-port", "0", "--data-dir", str(data_dir)]
    return subprocess.Popen(  # noqa: S603 - our own command
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the demo, which then stops the stack
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - there are no threads here
    )


def _address(process: subprocess.Popen[str]) -> str:
    """Read the ready line; `up` itself sees to it that it comes, or that the output ends."""
    for line in process.stdout or ():
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
    raise CannotRun(f"the stack did not start: `torchkiln up` ended with status {process.wait()}")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        status = process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()  # and the kernel kills its children
        process.wait()
        raise CannotRun(f"the stack did not stop within {STOP_S:.0f} s and was killed") from None
    finally:
        if process.stdout is not None:
            process.stdout.close()
    if status != 0 and sys.exception() is None:
        raise CannotRun(f"the stack did not stop in good order: status {status}")
