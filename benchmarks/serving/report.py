"""The page, its pictures, and the raw figures beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.serving import tables
from benchmarks.serving.beside import ROUNDS, SECONDS
from benchmarks.serving.measure import FASTEST_RATE
from benchmarks.serving.models import CHECKED, TITLES
from benchmarks.serving.options import Options
from benchmarks.serving.plan import BESIDE, LEVELS, MOST, PINNED, SHARED
from benchmarks.serving.plots import draw_tails, draw_throughput
from benchmarks.serving.results import CLOSED, OPEN, Results
from benchmarks.serving.servers import SERVERS

NAME = "serving"


def write(results: Results, options: Options) -> str:
    """Write the page into the options' directory. → a line on what was written."""
    page = options.output / f"{NAME}.md"
    page.write_text(render(results, options))
    return f"see {page}; {len(results.samples)} loads, {len(results.failures)} failures"


def render(results: Results, options: Options) -> str:
    """The Markdown page; draws its pictures on the way."""
    sections = ["# Serving, side by side", _about(results, options)]
    for part in options.parts:
        if part.name == PINNED:
            for model in part.models:
                sections += _pinned(results, model, options.output)
        elif part.name == BESIDE:
            sections += _beside(results, part.models)
        else:
            sections += _shared(results, part.models)
    sections += [_how(), _setups(results), _failures(results)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _about(results: Results, options: Options) -> str:
    about = results.about
    own = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    return (
        f"One row a request, by `{about['command']}`, {about['date']}, commit {about['commit']}.\n"
        f"{about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB, {about['os']}, Python "
        f"{about['python']}; load average before it {about['load_before']}; {own}.\n"
        f"Rounds: {options.rounds}, seconds a load: {options.seconds}; figures "
        f"are medians of the rounds, ratios medians of the quotients of each round. "
        f"Raw: [{NAME}.json]({NAME}.json)."
    )


def _pinned(results: Results, model: str, directory: Path) -> list[str]:
    if not tables.cases(results, PINNED, model, CLOSED, MOST):
        return []
    sections = [
        f"## {TITLES[model]}: server on one core, load on the other",
        tables.throughput(results, model),
    ]
    throughput, tails = f"{NAME}-{model}.png", f"{NAME}-{model}-tails.png"
    if draw_throughput(results, model, directory / throughput):
        sections.append(f"![Requests a second]({throughput})")
    sections += ["### torchkiln to each", tables.ratios(results, model)]
    if tables.cases(results, PINNED, model, OPEN, MOST):
        sections += ["### Tail latency, open loop", OPEN_LOOP, tables.tails(results, model)]
        if draw_tails(results, model, directory / tails):
            sections.append(f"![Tail latency]({tails})")
    return [*sections, "### Start and memory", tables.starts(results, model)]


OPEN_LOOP = (
    "Requests leave at a constant rate, half of what the closed loop reached with "
    f"{MOST} connections and at most {FASTEST_RATE:,.0f} a second. Latency counts from when a "
    "request was due, so waiting behind a slow one counts too. *Sent late*: by the generator's own "
    "fault, more than 1 ms; above 1 % a tail is the generator's."
)


def _shared(results: Results, models: Sequence[str]) -> list[str]:
    found = [model for model in models if tables.cases(results, SHARED, model, CLOSED, MOST)]
    return [
        text
        for model in found
        for text in (
            f"## {TITLES[model]}: everything on all cores",
            SHARED_CORES,
            tables.shared(results, model),
        )
    ]


SHARED_CORES = (
    "Each server with two workers, replicas or processes in its own way, and the load generator "
    "beside them. This is kind to servers of several processes, and distorted for all: the "
    "generator takes its share of the same cores, most from the fastest server, so *of one worker* "
    "is below what a machine with cores to spare would show."
)


def _beside(results: Results, models: Sequence[str]) -> list[str]:
    found = [model for model in models if tables.cases(results, BESIDE, model, CLOSED, MOST)]
    if not found:
        return []
    sections = ["## Beside hello, load by load", LOAD_BY_LOAD]
    for model in found:
        sections += [f"### {TITLES[model]}", tables.beside(results, model)]
    return sections


LOAD_BY_LOAD = (
    f"uvicorn hello and torchkiln up at once on one core, under loads of {SECONDS} s in turn, "
    f"{ROUNDS} of each; in brackets the half of the rounds around the median. In the tables above "
    "a server's loads come in one piece, minutes from another's: where a virtual machine changes "
    "its speed meanwhile, ratios to hello are better read here."
)


def _how() -> str:
    levels = ", ".join(map(str, LEVELS))
    return (
        "## How it is measured\n\n"
        f"- Each server is started anew for each round, and has to answer {CHECKED} rows as ONNX "
        "Runtime does, on every wire, before it is timed. A load in which a single request fails "
        "counts for nothing.\n"
        "- The same ONNX file in every server, by ONNX Runtime with one thread, on the CPU.\n"
        f"- Servers take turns, in opposite order every other round; {levels} connections, warm-up "
        "before.\n"
        "- HTTP by `wrk`, gRPC by `h2load`, one request at a time on a connection. The open loop "
        "is `benchmarks/serving/openloop.py`.\n"
        "- CPU is user and system time of all processes of a server, RSS and PSS are theirs after "
        "the load. torchkiln's broker, which no prediction touches, is not among them."
    )


def _setups(results: Results) -> str:
    rows: list[Sequence[str]] = []
    for name, server in SERVERS.items():
        if name in results.about["environments"]:
            packages = ", ".join(server.packages) or "torchkiln's own environment"
            rows.append((server.title, packages, server.about))
    return "## How each is set up\n\n" + tables.markdown(("server", "packages", "set up"), rows)


def _failures(results: Results) -> str:
    if not results.failures:
        return ""
    rows = [(one.server, one.where, _cell(one.reason)) for one in results.failures]
    return "## What failed\n\n" + tables.markdown(("server", "where", "why"), rows)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
