"""`make test-stack`: the compose file, run for real on this machine, from images to `down -v`."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.stack import images, machine
from tests.stack.compose import PROJECTS, ROOT, Compose

TESTS = ("-m", "pytest", "-q", "-m", "compose", "-p", "no:cacheprovider", "tests/stack")


def main() -> int:
    """→ the exit status, pytest's own. Arguments are pytest's."""
    started = time.monotonic()
    machine.install_packages()
    with machine.dockerd():
        images.prepare()
        prepared = time.monotonic()
        try:
            command = [sys.executable, *TESTS, *sys.argv[1:]]
            env = os.environ | {"TORCHKILN_STACK": "1"}
            status = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
        finally:
            for project in PROJECTS:
                Compose(project, {}).down()
    tested = time.monotonic()
    print(f"test-stack: images {prepared - started:.0f} s, tests {tested - prepared:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
