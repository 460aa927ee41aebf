"""How long a job waits before it trains, on an idle stack: `python -m benchmarks.job_start`.

Times are of the service's own records: from the job's row to its claim, and to the report of its
first epoch, which here is one optimizer step. So the last one bounds the first step from above.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from models.latency import environment
from torchkiln import Client
from torchkiln.demo.stack import running

PARAMS = {"epochs": 3, "batch_size": 1000}
"""All of the 1,000 rows in one step."""
REST_S = 4.0
"""Between two jobs, so that the next trainer is warm: an idle worker is what is measured."""


def measure(client: Client) -> dict[str, float]:
    """Milliseconds from the submission of one job, by what happened."""
    began = time.monotonic()
    job = client.jobs.submit("linear-regression", params=PARAMS)
    answered = time.monotonic() - began
    done = client.jobs.wait(job["id"], timeout_s=120)
    events, _ = client.jobs.history(job["id"], limit=200)
    submitted = _time(done["created_at"])
    running_at = next(e for e in events if e["data"].get("status") == "running")
    first = next(e for e in events if e["type"] == "metrics")
    return {
        "answered (202)": 1e3 * answered,
        "claimed": 1e3 * (_time(running_at["created_at"]) - submitted),
        "first epoch reported": 1e3 * (_time(first["created_at"]) - submitted),
        "ended": 1e3 * (_time(done["finished_at"]) - submitted),
    }


def _time(text: str | None) -> float:
    assert text is not None
    return datetime.fromisoformat(text).timestamp()


def table(found: Sequence[Mapping[str, float]]) -> str:
    lines = ["| after the submission | p50 ms | p90 ms | worst ms |", "| --- | --- | --- | --- |"]
    for name in found[0]:
        values = np.array([one[name] for one in found])
        p50, p90 = np.percentile(values, [50, 90])
        lines.append(f"| {name} | {p50:.0f} | {p90:.0f} | {values.max():.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.job_start", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20)
    jobs: int = parser.parse_args().jobs
    found: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory() as directory,
        running(Path(directory)) as url,
        Client(url) as client,
    ):
        measure(client)  # the first one waits for the first trainer to become warm
        for _ in range(jobs):
            time.sleep(REST_S)
            found.append(measure(client))
    about = environment(None)
    print(f"{jobs} jobs, one after the other\n\n{table(found)}\n")
    versions = ", ".join(f"{name} {value}" for name, value in about["versions"].items())
    print(f"{about['cpu_model']}, {about['cores']} cores; {versions}; {about['date']}")


if __name__ == "__main__":
    main()
