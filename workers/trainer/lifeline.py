"""A process that does not outlive the one that started it, whatever happens to that."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have the kernel kill this process when `parent`, which started it, ends; now if it has.

    A rank leads a session of its own, where a kill of the launcher's group does not reach it, and
    a lease may only be given to another worker when every process of the attempt is dead. Linux
    only; elsewhere the end of its controls says the same, as long as it listens.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        os._exit(1)
