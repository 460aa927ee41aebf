"""The table of docs/reliability.md, from what the long forms have found:
`python -m tests.chaos.report`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.figures import read
from tests.chaos.stacks import EMBEDDED, SERVERS

PAGE = Path(__file__).parents[2] / "docs/reliability.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->"

Found = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    scenario: str
    what: str
    tell: Callable[[Found], str]


def _spread(values: Mapping[str, float], unit: str) -> str:
    return f"p50 {values['p50']:g}, p99 {values['p99']:g}, worst {values['max']:g} {unit}"


STATES = ("answered", "kept, not answered", "not kept")
ROWS = (
    Row(
        "kills",
        "trainings with a SIGKILL of trainer, worker or both that ended with the same bits",
        lambda f: f"{f['equal']} of {f['kills']}",
    ),
    Row(
        "kills",
        "from the kill to the next attempt's headway: trainer killed",
        lambda f: _spread(f["trainer_recovery_s"], "s"),
    ),
    Row(
        "kills",
        "worker killed, whose lease of 30 s has to lapse",
        lambda f: _spread(f["worker_recovery_s"], "s"),
    ),
    Row("kills", "all kills", lambda f: _spread(f["recovery_s"], "s")),
    Row(
        "stopped",
        "attempts stopped past their lease, and woken up beside the next one: committed nothing",
        lambda f: str(f["stopped"]),
    ),
    Row(
        "wake_ups",
        "jobs announced so often while they ran: one claim each",
        lambda f: f"{f['jobs']}, {f['wake_ups']} times each",
    ),
    Row(
        "broker",
        "jobs, while the broker was emptied, killed and away for a while: one attempt each",
        lambda f: f"{f['jobs']}, {f['away_s']:g} s away, done after {f['took_s']} s",
    ),
    Row(
        "memory",
        "a net beyond its memory limit; trainings beside it with the same bits as alone",
        lambda f: f"`{f['outcome']}` after {f['attempts']} attempts; {f['neighbours']}",
    ),
    Row(
        "submit",
        "API killed while jobs are submitted, and asked again: keys, with one job each",
        lambda f: f"{f['keys']}, {f['kills']} kills",
    ),
    Row(
        "submit",
        "when it was killed: answered / kept, not answered / not kept",
        lambda f: " / ".join(str(f.get(state, 0)) for state in STATES),
    ),
    Row(
        "queue",
        "jobs without work that were submitted over HTTP and all done, in one attempt each",
        lambda f: f"{f['jobs']:,}",
    ),
    Row(
        "queue",
        "submitting them, four at a time",
        lambda f: f"{_spread(f['submit_ms'], 'ms')}; {f['submits_per_s']} a second",
    ),
    Row(
        "queue",
        "doing them",
        lambda f: f"{f['jobs_per_s']} a second, {f['workers']} workers of {f['slots']} slots",
    ),
    Row(
        "real_queue",
        "jobs in torch processes of their own, two slots",
        lambda f: f"{f['jobs']}, {f['jobs_per_s']} a second",
    ),
    Row(
        "events",
        "events that clients saw, once and in order, over kills of API, trainer and worker",
        lambda f: f"{f['seen']:,} of {f['events']:,}, {f['kills']} kills",
    ),
)


def table(known: Found) -> str:
    if not known:
        return "Nothing is measured yet: `make test-chaos` does.\n"
    about = known["about"]
    lines = [f"| what is done | {EMBEDDED} | {SERVERS} |", "| --- | --- | --- |"]
    for row in ROWS:
        found = known["results"].get(row.scenario, {})
        cells = [row.tell(found[kind]) if kind in found else "" for kind in (EMBEDDED, SERVERS)]
        if any(cells):
            lines.append(f"| {row.what} | {' | '.join(cells)} |")
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    dates = sorted({f["date"] for found in known["results"].values() for f in found.values()})
    measured = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    host = f"{about['cpu']}, {about['cores']} cores, no GPU; {about['os']}"
    return "\n".join([*lines, "", f"{host}; {versions}; {measured}.", ""])


def written(page: str) -> str:
    """`page` with the table as it is now."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + "\n" + table(read()) + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
