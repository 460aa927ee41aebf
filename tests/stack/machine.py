"""What the tests need of this machine: Debian's packages of Docker, and its daemon running."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

from tests.stack.compose import CACHE

PACKAGES = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "docker-compose": "docker-compose",
    "debootstrap": "debootstrap",
}
"""The program, and the package that has it."""
STARTS_WITHIN_S = 60.0


def install_packages() -> None:
    """Those whose programs are not there. Needs root."""
    if os.geteuid() != 0:
        sys.exit("make test-stack: expected to be run as root, which dockerd and debootstrap need")
    missing = {package for program, package in PACKAGES.items() if shutil.which(program) is None}
    if missing:
        apt = ("apt-get", "-o", "DPkg::Lock::Timeout=120")
        subprocess.run([*apt, "update"], check=True, stdout=subprocess.DEVNULL)
        install = [*apt, "install", "-y", "--no-install-recommends", *sorted(missing)]
        env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(install, check=True, env=env, stdout=subprocess.DEVNULL)


@contextmanager
def dockerd() -> Generator[None]:
    """A daemon for the block: the one that runs already, or one that ends with it."""
    if _answers():
        yield
        return
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(["dockerd"], stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + STARTS_WITHIN_S
        while not _answers():
            if process.poll() is not None or time.monotonic() > until:
                sys.exit(f"dockerd did not start; its log is {CACHE / 'dockerd.log'}")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait()


def _answers() -> bool:
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
