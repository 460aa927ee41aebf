"""Every wheel of the images, by this machine's own settings of pip, so that a build needs neither
those settings nor the network: it is served the files on loopback."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from tests.stack.compose import CACHE, ROOT

FOLDER = CACHE / "wheels"
STANDINS = ("moto[s3,server]", "flower")
OLD_PYTHON = ("async-timeout",)
"""What only Python before 3.11.3 needs, as Debian's is."""
PYTHON = (3, 11)
"""The images'."""
PORT = 47318
"""Always the same: an argument that changes would have every layer of the image made again."""
GLIBC = range(17, 37)
"""Minor versions of the C library that Debian 12's can stand in for."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """pip says what it has fetched."""


@contextmanager
def served() -> Generator[tuple[str, ...]]:
    """→ the arguments of `docker build` by which pip finds the wheels."""
    _download()
    handler = partial(_Quiet, directory=str(FOLDER))
    with ThreadingHTTPServer(("127.0.0.1", PORT), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="wheels")
        thread.start()
        try:
            links = f"PIP_FIND_LINKS=http://127.0.0.1:{server.server_port}/"
            yield ("--build-arg", "PIP_NO_INDEX=1", "--build-arg", links)
        finally:
            server.shutdown()
            thread.join()


def _download() -> None:
    stamp = CACHE / "wheels.stamp"
    wanted = [*_requirements(), (ROOT / "constraints.txt").read_text()]
    digest = hashlib.sha256("\n".join(wanted).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    print("test-stack: downloading the wheels of the images", flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "-qq", "--dest", str(FOLDER)]
    pip += ["--constraint", "constraints.txt", *_platform()]
    subprocess.run([*pip, *_requirements()], cwd=ROOT, check=True)
    stamp.write_text(digest)


def _requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    torch = [line for line in pins if line.startswith(("torch==", "torchvision=="))]
    service = project["optional-dependencies"]["service"]
    return [*torch, *project["dependencies"], *service, *STANDINS, *OLD_PYTHON]


def _platform() -> list[str]:
    """Nothing, where this Python is the images'; else what pip has to be told of theirs."""
    if sys.version_info[:2] == PYTHON:
        return []
    tags = [f"manylinux_2_{minor}_x86_64" for minor in GLIBC] + ["manylinux2014_x86_64"]
    python = ["--only-binary=:all:", "--implementation", "cp", "--python-version", "3.11"]
    return python + [part for tag in tags for part in ("--platform", tag)]
