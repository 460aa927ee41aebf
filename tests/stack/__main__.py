"""`make test-stack`: the compose file, run for real on this machine, from images to `down -v`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from tests.stack import images, machine
from tests.stack.compose import PROJECTS, ROOT, Compose

TESTS = ("-m", "pytest", "-q", "-m", "compose", "-p", "no:cacheprovider", "tests/stack")


def main() -> int:
    """→ the exit status, pytest's own. Arguments are pytest's."""
    started = time.monotonic()
    # Whoever ends this, by Ctrl-C or by a signal, wants no containers left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    machine.install_packages()
    with machine.dockerd():
        images.prepare()
        prepared = time.monotonic()
        try:
            _take_down()  # what a run that was killed has left
            command = [sys.executable, *TESTS, *sys.argv[1:]]
            env = os.environ | {"TORCHKILN_STACK": "1"}
            status = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
        finally:
            _take_down()
    tested = time.monotonic()
    print(f"test-stack: images {prepared - started:.0f} s, tests {tested - prepared:.0f} s")
    return status


def _take_down() -> None:
    for project in PROJECTS:
        Compose(project, {}).down()


if __name__ == "__main__":
    sys.exit(main())
