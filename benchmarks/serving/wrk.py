"""The closed loop: `wrk` sends the next request of a connection when the last is answered."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from benchmarks.serving.load import Load, LoadFailed
from benchmarks.serving.servers.base import Request

SCRIPT = Path(__file__).with_name("post.lua")
GRACE_S = 30.0
ERRORS = ("connect", "read", "write", "status", "timeout")
"""What wrk counts as such; `status` is an answer of 400 or more."""


def run(url: str, request: Request, *, connections: int, seconds: int, cores: str) -> Load:
    """Load `url` for `seconds` from `cores`. Raises `LoadFailed` if anything went wrong."""
    with tempfile.NamedTemporaryFile(prefix="bench-body-") as body:
        body.write(request.body)
        body.flush()
        headers = [f"{name}: {value}" for name, value in request.headers.items()]
        options = ["-t1", f"-c{connections}", f"-d{seconds}s"]
        command = ["taskset", "-c", cores, "wrk", *options, "--timeout", "10s", "-s", str(SCRIPT)]
        command += [url + request.path, "--", request.method, body.name, *headers]
        try:
            done = subprocess.run(
                command, capture_output=True, check=False, text=True, timeout=seconds + GRACE_S
            )
        except subprocess.TimeoutExpired:
            raise LoadFailed(f"wrk did not end {GRACE_S:.0f} s after its time") from None
    if done.returncode:
        raise LoadFailed(f"wrk ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return parse(done.stdout)


def parse(output: str) -> Load:
    """The figures on the last line of what wrk printed. Raises `LoadFailed` if a request failed,
    or none was answered: throughput of errors is not throughput."""
    try:
        found = json.loads(output.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise LoadFailed(f"expected wrk's figures, got {output[-200:]!r}") from None
    failed = {name: found[name] for name in ERRORS if found[name]}
    if failed or not found["requests"]:
        said = ", ".join(f"{count} of {name}" for name, count in failed.items()) or "no answers"
        raise LoadFailed(f"expected every request answered, got {said} ({found['requests']} asked)")
    return Load(
        found["requests"],
        found["requests"] / (found["duration_us"] / 1e6),
        *(found[f"{name}_us"] / 1e3 for name in ("p50", "p99", "p999", "max")),
    )
