"""Every pipeline on its defaults, over HTTP, on the embedded stack: `make tutorial`.

Writes docs/tutorial-results.md: what came out, how long it took, what was published and drawn.
Exits with 1 if a job does not succeed, or a published version is not certified on all backends.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from models.latency import environment
from torchkiln import Client
from torchkiln.demo.stack import running

PAGE = Path(__file__).parents[1] / "docs/tutorial-results.md"
LIMIT_S = 600.0
SHOWN = 6
"""Figures of one job in the table; the job has them all."""


@dataclass(frozen=True)
class Run:
    title: str
    section: str
    job: Mapping[str, Any]
    version: Mapping[str, Any] | None
    plots: Sequence[str]
    seconds: float
    """From the submission to the end, as a client sees it."""

    @property
    def failures(self) -> list[str]:
        if self.job["status"] != "succeeded":
            return [f"{self.title}: {self.job['status']}: {self.job['error']}"]
        backends: Mapping[str, Any] = self.version["backends"] if self.version else {}
        return [
            f"{self.title}: {name} is {entry['status']}: {entry['reason']}"
            for name, entry in backends.items()
            if entry["status"] != "certified"
        ]


def runs(client: Client, only: Sequence[str]) -> Iterator[Run]:
    for pipeline in client.pipelines():
        name = pipeline["name"]
        if only and name not in only:
            continue
        yield _run(client, name, pipeline["section"], name)
        if name == "image-classification":
            yield _run(client, f"{name}, 2 processes", "10.3", name, world_size=2, model="ddp")


def _run(client: Client, title: str, section: str, pipeline: str, **options: Any) -> Run:
    began = time.monotonic()
    job = client.jobs.wait(client.jobs.submit(pipeline, **options)["id"], timeout_s=LIMIT_S)
    seconds = time.monotonic() - began
    number, model = job["model_version"], job["model"]
    version = client.models.version(model, number) if model and number else None
    plots = [file["name"] for file in client.jobs.artifacts(job["id"])]
    done = Run(
        title,
        section,
        job,
        version,
        [name.removesuffix(".png") for name in plots if name.endswith(".png")],
        seconds,
    )
    print(f"{title}: {job['status']} in {seconds:.1f} s {'; '.join(done.failures)}", flush=True)
    return done


def _row(run: Run) -> tuple[str, ...]:
    backends: Mapping[str, Any] = run.version["backends"] if run.version else {}
    certified = [name for name, entry in backends.items() if entry["status"] == "certified"]
    return (
        run.section,
        f"`{run.title}`",
        f"{run.seconds:.1f}",
        ", ".join(_figures(run.job["results"])),
        ", ".join(certified) or "no model",
        ", ".join(run.plots),
    )


def _figures(results: Mapping[str, Any]) -> list[str]:
    """The figures on test rows if there are such, else the first numbers; those of a variant with
    its name."""
    numbers = dict(_numbers(results))
    tested = {name: value for name, value in numbers.items() if name.startswith("test_")}
    return [f"{name} {value:.4g}" for name, value in list((tested or numbers).items())[:SHOWN]]


def _numbers(results: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    for name, value in results.items():
        if isinstance(value, dict):
            yield from _numbers(cast(dict[str, Any], value), f"{name} ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{before}{name}", value


def page(found: Sequence[Run]) -> str:
    about = environment(None)
    versions = ", ".join(f"{name} {value}" for name, value in about["versions"].items())
    head = ("section", "pipeline", "seconds", "results", "certified", "plots")
    rows = [head, ("---",) * len(head), *map(_row, found)]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    return f"""# The tutorial, run

Every pipeline on its defaults, submitted over HTTP to the embedded stack by `make tutorial`.
Seconds are from the submission to the job's end, publishing and certificates included.

{table}

{about["cpu_model"]}, {about["cores"]} cores, no GPU; {versions}; {about["os"]}; {now}.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tutorial", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="names of pipelines; writes no page")
    only: list[str] = parser.parse_args().only
    with (
        tempfile.TemporaryDirectory() as directory,
        running(Path(directory)) as url,
        Client(url) as client,
    ):
        found = list(runs(client, only))
    failures = [failure for run in found for failure in run.failures]
    if only:
        print(page(found))
    else:
        PAGE.write_text(page(found))
        print(f"{len(found)} jobs in {sum(run.seconds for run in found):.0f} s; see {PAGE.name}")
    print("\n".join(failures), file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
