"""What a run may take of the host's memory, and who has to go first where there is none left."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path

OOM_SCORE = 500
"""How much more the process seems to take: on the kernel's scale, half of the host's memory."""
PROC = Path("/proc/self")


def offer() -> None:
    """Have the kernel end this process, and those that it starts, rather than the worker."""
    score = PROC / "oom_score_adj"
    with suppress(OSError):  # not Linux, or not allowed
        score.write_text(str(min(1000, int(score.read_text()) + OOM_SCORE)))


def limit(memory_bytes: int) -> None:
    """From here on this process gets so much, and then a MemoryError; 0 is no limit.

    Of private, writable memory, which is what a run allocates: unlike address space it counts
    neither files that are mapped nor what the driver of a GPU reserves. Linux only.
    """
    if memory_bytes and sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = _taken() + memory_bytes
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def lift() -> None:
    """The run is over: saying how it ended must not fail for want of memory."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def _taken() -> int:
    """Bytes that count already: torch alone has some hundred millions."""
    lines = (PROC / "status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
