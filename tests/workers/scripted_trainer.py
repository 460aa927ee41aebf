"""A trainer that plays a benchmark: the first argument says how it goes."""

import json
import os
import sys
import time
from pathlib import Path

RESULT = {
    "type": "benchmark",
    "results": [{"backend": "eager", "batch_size": 1, "mean_ms": 0.5}],
    "environment": {"cores": 2},
    "winners": {"1": None},
}


def play(how: str, descriptor: int) -> None:
    def say(**message: object) -> None:
        os.write(descriptor, json.dumps(message).encode() + b"\n")

    say(type="ready", devices=[{"name": "cpu"}], versions={})
    spec = json.loads(sys.stdin.readline())
    match how:
        case "succeed":
            plot = Path(spec["workdir"], "plot.png")
            plot.write_text(json.dumps(spec))
            say(**RESULT, plot=str(plot))
            say(type="done", results={})
        case "refuse":
            say(type="error", code="export_failed", message="the file cannot be read")
        case "forget":
            say(type="done", results={})
        case "hang":
            time.sleep(600)
        case _:
            os._exit(3)


if __name__ == "__main__":
    play(sys.argv[1], int(sys.argv[sys.argv.index("--messages") + 1]))
