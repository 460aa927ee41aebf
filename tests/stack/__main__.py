"""`make test-stack`: the compose file, run for real on this machine, from images to `down -v`.

Twice: with its files in a volume, and in buckets.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.stack import images, machine
from tests.stack.compose import PROJECTS, ROOT, Compose

TESTS = ("-m", "pytest", "-q", "-m", "compose", "-p", "no:cacheprovider", "tests/stack")
AGAIN = ("--buckets", "--ignore=tests/stack/test_secured.py")
"""The same tests with files in buckets; those left out have them there anyway."""

NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)


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
            ended = {_tests(), _tests(*AGAIN)} - {NO_TESTS}  # an argument may choose few
            status = next(filter(None, ended), 0) if ended else NO_TESTS
        finally:
            _take_down()
    tested = time.monotonic()
    print(f"test-stack: images {prepared - started:.0f} s, tests {tested - prepared:.0f} s")
    return status


def _tests(*options: str) -> int:
    command = [sys.executable, *TESTS, *options, *sys.argv[1:]]
    env = os.environ | {"TORCHKILN_STACK": "1"}
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


def _take_down() -> None:
    for project in PROJECTS:
        Compose(project, {}).down()


if __name__ == "__main__":
    sys.exit(main())
