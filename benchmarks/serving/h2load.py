"""The closed loop over gRPC: nghttp2's `h2load`, one call at a time on each connection.

A client of grpcio would be slower than the servers. h2load knows nothing of gRPC: it sends the
frames of one message again and again, so what came back is checked by its size.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from benchmarks.serving.load import Load, LoadFailed, of_latencies
from benchmarks.serving.servers.base import Request

PREFIX_BYTES = 5
"""Of a gRPC message: whether it is compressed, and its length."""
OF_GRPC = ("content-type: application/grpc", "te: trailers")
GRACE_S = 30.0
COUNTS = re.compile(r"requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored")
DATA = re.compile(r"traffic: .*\((\d+)\) data")


def run(
    url: str, request: Request, *, connections: int, seconds: int, cores: str, answer_bytes: int
) -> Load:
    """Load `url` for `seconds`. `answer_bytes` is the size of a right answer's message.

    Raises `LoadFailed` if a call failed.
    """
    with tempfile.TemporaryDirectory(prefix="bench-grpc-") as folder:
        body, log = Path(folder, "body"), Path(folder, "log")
        body.write_bytes(b"\0" + len(request.body).to_bytes(4, "big") + request.body)
        headers = [f"{name}: {value}" for name, value in request.headers.items()]
        command = ["taskset", "-c", cores, "h2load", f"-c{connections}", "-m1", "-t1"]
        command += [f"-D{seconds}", f"--data={body}", f"--log-file={log}"]
        command += [f"-H{header}" for header in (*OF_GRPC, *headers)]
        try:
            done = subprocess.run(
                [*command, url + request.path],
                capture_output=True,
                check=False,
                text=True,
                timeout=seconds + GRACE_S,
            )
        except subprocess.TimeoutExpired:
            raise LoadFailed(f"h2load did not end {GRACE_S:.0f} s after its time") from None
        if done.returncode:
            raise LoadFailed(f"h2load ended with {done.returncode}: {done.stderr.strip()[-200:]}")
        check(done.stdout, answer_bytes)
        return of_latencies(latencies_s(log.read_text()), seconds)


def check(output: str, answer_bytes: int) -> None:
    """Raises `LoadFailed` if a call failed. A failed gRPC call has status 200 and no message, so it
    shows only in the bytes that came."""
    counts, data = COUNTS.search(output), DATA.search(output)
    if counts is None or data is None:
        raise LoadFailed(f"expected h2load's summary, got {output[-200:]!r}")
    succeeded, failed, errored = (int(counts[index]) for index in (2, 3, 4))
    if failed or errored or not succeeded:
        raise LoadFailed(f"expected every call answered, got {failed} failed and {errored} errors")
    expected = succeeded * (answer_bytes + PREFIX_BYTES)
    if int(data[1]) < expected:
        raise LoadFailed(f"expected {expected} bytes of answers, got {data[1]}: some were errors")


def latencies_s(log: str) -> list[float]:
    """Of the log's lines: when the request began, its status, and microseconds to its end."""
    return [int(line.split("\t")[2]) / 1e6 for line in log.splitlines()]
