"""Starting the open loop on its core."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import asdict

from benchmarks.serving.load import LoadFailed
from benchmarks.serving.openloop import DRAIN_S, Settings
from benchmarks.serving.openloop_stats import OpenLoad
from benchmarks.serving.servers.base import HOST, ROOT, Request

GRACE_S = 20.0


def run(
    port: int, request: Request, *, connections: int, rate: float, seconds: float, cores: str
) -> OpenLoad:
    """Raises `LoadFailed` if a request fails or the server cannot keep up."""
    whole = base64.b64encode(serialised(request)).decode()
    settings = Settings(HOST, port, whole, connections, rate, seconds)
    command = ["taskset", "-c", cores, sys.executable, "-m", "benchmarks.serving.openloop"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(asdict(settings)),
            capture_output=True,
            check=False,
            text=True,
            cwd=ROOT,
            timeout=seconds + DRAIN_S + GRACE_S,
        )
    except subprocess.TimeoutExpired:
        raise LoadFailed("the open loop did not end") from None
    if done.returncode:
        raise LoadFailed(f"open loop: {(done.stderr.strip() or 'no reason given')[-200:]}")
    return OpenLoad(**json.loads(done.stdout))


def serialised(request: Request) -> bytes:
    """The bytes of `request` on an HTTP/1.1 connection, with the headers that wrk sends."""
    own = (
        {"Host": HOST, "Content-Length": str(len(request.body))} if request.body else {"Host": HOST}
    )
    lines = [f"{name}: {value}\r\n" for name, value in {**own, **request.headers}.items()]
    head = f"{request.method} {request.path} HTTP/1.1\r\n{''.join(lines)}\r\n"
    return head.encode("latin-1") + request.body
