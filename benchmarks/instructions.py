"""Instructions that the fast path takes a request: `python -m benchmarks.instructions`.

Counted by callgrind, not timed: the same on a busy machine as on an idle one, and so a guard that
can stand in CI. What is counted is `benchmarks.fastpath`, from the bytes of a request to those of
its answer: 16 requests at once, which are a batch, and one at a time. With `--check` it compares
with the figures in `instructions.json`, and fails if one of them is passed by more than 5 %;
`--update` writes them.

The figures are of one CPython and one set of libraries: they are written down beside them, and
where they differ nothing is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import fastpath

COUNTED = {
    "binary": ("binary", 16),
    "json": ("json", 16),
    "grpc": ("grpc", 16),
    "binary, alone": ("binary", 1),
    "json, alone": ("json", 1),
}
"""What the requests are, and how many are under way at once."""
REQUESTS = 640
ALLOWED = 1.05
FIGURES = Path(__file__).with_name("instructions.json")
LIBRARIES = (
    "numpy",
    "protobuf",
    "onnxruntime",
    "orjson",
    "pysimdjson",
    "httptools",
    "uvicorn",
    "uvloop",
)
TOTAL = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: apt-get install valgrind")
        return 1 if os.environ.get("CI") else 0
    with tempfile.TemporaryDirectory(prefix="torchkiln-bench-") as place:
        secret = fastpath.prepare(Path(place))
        found = {name: count(Path(place), secret, *what) for name, what in COUNTED.items()}
    for way, figure in found.items():
        print(f"{way}: {figure:,} instructions a request")
    if options.update:
        FIGURES.write_text(json.dumps({"of": conditions(), "a_request": found}, indent=2) + "\n")
    return check(found) if options.check else 0


def count(directory: Path, secret: str, way: str, at_once: int) -> int:
    """Instructions a request of `benchmarks.fastpath`, between its `ready` and its `done`."""
    out = directory / f"callgrind.{way}.{at_once}"
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
    command += [sys.executable, "-W", "ignore", "-m", "benchmarks.fastpath", "--counted"]
    command += [str(directory), secret, way, str(at_once), str(REQUESTS // at_once)]
    env = {**os.environ, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    ) as process:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise RuntimeError("the process has no pipes")
        for word, switch in (("ready", "on"), ("done", "off")):
            if process.stdout.readline().strip() != word.encode():
                raise RuntimeError(process.stderr.read().decode()[-2000:])
            control = ["callgrind_control", "--instr=" + switch, str(process.pid)]
            subprocess.run(control, check=True, capture_output=True)
            process.stdin.write(b"\n")
            process.stdin.flush()
        process.communicate()
    return max(map(int, TOTAL.findall(out.read_text()))) // REQUESTS


def conditions() -> dict[str, str]:
    """Libraries choose their instructions by what the processor can."""
    cpu = Path("/proc/cpuinfo").read_text()
    vendor = next((line.split()[-1] for line in cpu.splitlines() if "vendor_id" in line), "unknown")
    versions = {name: version(name) for name in LIBRARIES}
    return {"python": sys.version.split()[0], "cpu_vendor": vendor, **versions}


def check(found: Mapping[str, int]) -> int:
    """→ 1 if a figure is more than 5 % over what is written down."""
    written: Mapping[str, Any] = json.loads(FIGURES.read_text())
    if written["of"] != conditions():
        print(f"not compared: written down for {written['of']}, this is {conditions()}")
        return 0
    worse = False
    for way, figure in found.items():
        ratio = figure / written["a_request"][way]
        worse |= ratio > ALLOWED
        print(f"{way}: {ratio:.3f} of the {written['a_request'][way]:,} written down")
    if worse:
        print(f"the fast path costs more than {ALLOWED:.2f} of what it did: make it cheaper, or")
        print("run `python -m benchmarks.instructions --update` and say why in the commit")
    return int(worse)


if __name__ == "__main__":
    raise SystemExit(main())
