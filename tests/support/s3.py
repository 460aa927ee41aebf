"""A real S3 server on this machine, for the tests of storage."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.api.conftest import free_port

BUCKET = "kiln"


def environment(endpoint: str) -> dict[str, str]:
    """What any program of Amazon's or others needs to find it."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }


@contextmanager
def server() -> Iterator[str]:
    """→ its endpoint; the bucket is there."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=os.environ | {"NO_COLOR": "1"}, stderr=quiet)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 30
        while True:
            try:
                httpx.put(f"{endpoint}/{BUCKET}", timeout=5, trust_env=False).raise_for_status()
                break
            except httpx.TransportError:
                assert process.poll() is None, "the S3 server has ended"
                assert time.monotonic() < until, "the S3 server does not answer"
                time.sleep(0.05)
        yield endpoint
    finally:
        process.terminate()
        process.wait(10)
