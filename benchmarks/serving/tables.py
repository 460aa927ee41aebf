"""Markdown tables of the results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import quantiles

from benchmarks.serving.plan import BESIDE, LEVELS, MOST, PINNED, SHARED
from benchmarks.serving.results import CLOSED, OPEN, Case, Results, Start, middle
from benchmarks.serving.servers import OWN, SERVERS, YARDSTICK

NONE = "-"
ENOUGH_FOR_P999 = 1000
"""Requests of a run; with fewer, the slowest of them is no percentile."""


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def cases(results: Results, part: str, model: str, loop: str, connections: int) -> list[Case]:
    """Those that were measured, in the order of the servers' table."""
    order = list(SERVERS)
    found = {
        sample.case
        for sample in results.samples
        if sample.case[:2] == (part, model)
        and (sample.case.loop, sample.case.connections) == (loop, connections)
    }
    return sorted(
        found, key=lambda case: (order.index(case.server), case.workers, *_wire_order(case))
    )


def _wire_order(case: Case) -> tuple[int]:
    return (list(SERVERS[case.server].wires).index(case.wire),)


def throughput(results: Results, model: str) -> str:
    """Servers on a core of their own: every level, and the ratio to the yardstick at the last."""
    levels = [f"{n} conn.: req/s, p50, p99 ms" for n in LEVELS]
    head = ("server", "wire", *levels, f"of hello at {MOST}", "CPU ms a request")
    rows: list[Sequence[str]] = []
    for case in cases(results, PINNED, model, CLOSED, MOST):
        at = [case._replace(connections=connections) for connections in LEVELS]
        hello = yardstick(case)
        rows.append(
            (
                SERVERS[case.server].title,
                case.wire,
                *(_level(results, one) for one in at),
                number(results.ratio(case, hello), 2),
                number(results.median(case, "cpu_ms"), 3),
            )
        )
    return markdown(head, rows)


def _level(results: Results, case: Case) -> str:
    figures = (results.median(case, name) for name in ("requests_per_s", "p50_ms", "p99_ms"))
    rate, p50, p99 = figures
    return f"{number(rate, 0)}, {number(p50, 2)}, {number(p99, 2)}"


def yardstick(case: Case) -> Case:
    """The hello that `case` is held against: the same load, as many processes."""
    return case._replace(server=YARDSTICK, wire="hello")


def ratios(results: Results, model: str) -> str:
    """How many times a peer's requests a second torchkiln answers, by the wire of both."""
    head = ("torchkiln ÷", "wires", *(f"{n} connections" for n in LEVELS))
    return markdown(head, list(_ratio_rows(results, model)))


def _ratio_rows(results: Results, model: str) -> Iterator[Sequence[str]]:
    for case in cases(results, PINNED, model, CLOSED, MOST):
        if case.server in (OWN, YARDSTICK):
            continue
        own_wires = ("json", "binary") if case.wire == "json" else (case.wire,)
        for wire in own_wires:
            cells: list[str] = []
            for connections in LEVELS:
                other = case._replace(connections=connections)
                own = other._replace(server=OWN, wire=wire)
                cells.append(number(results.ratio(own, other), 1))
            yield (SERVERS[case.server].title, f"{wire} ÷ {case.wire}", *cells)


def tails(results: Results, model: str) -> str:
    """The open loop."""
    head = ("server", "wire", "requests/s due", "p50 ms", "p99 ms", "p99.9 ms", "sent late")
    rows = [
        (SERVERS[case.server].title, case.wire, *_tail(results, case))
        for case in cases(results, PINNED, model, OPEN, MOST)
    ]
    return markdown(head, rows)


def _tail(results: Results, case: Case) -> tuple[str, ...]:
    samples = results.of(case)
    late = middle(sample.late_share for sample in samples if sample.late_share is not None)
    return (
        number(results.median(case, "rate"), 0),
        number(results.median(case, "p50_ms"), 2),
        number(results.median(case, "p99_ms"), 2),
        NONE if few(results, case) else number(results.median(case, "p999_ms"), 2),
        NONE if late is None else f"{late:.2%}",
    )


def few(results: Results, case: Case) -> bool:
    """Whether a run had too few requests for its last percentile."""
    return min(sample.requests for sample in results.of(case)) < ENOUGH_FOR_P999


def shared(results: Results, model: str) -> str:
    """Everything on all cores."""
    head = ("server", "wire", "workers", "req/s", "p50 ms", "p99 ms", "of hello", "of one worker")
    rows: list[Sequence[str]] = []
    for case in cases(results, SHARED, model, CLOSED, MOST):
        alone = None if case.workers == 1 else results.ratio(case, case._replace(workers=1))
        figures = [results.median(case, name) for name in ("requests_per_s", "p50_ms", "p99_ms")]
        rows.append(
            (
                SERVERS[case.server].title,
                case.wire,
                str(case.workers),
                number(figures[0], 0),
                number(figures[1], 2),
                number(figures[2], 2),
                number(results.ratio(case, yardstick(case)), 2),
                number(alone, 2),
            )
        )
    return markdown(head, rows)


def beside(results: Results, model: str) -> str:
    """torchkiln's wires and the yardstick, load by load."""
    head = (
        "wire",
        "connections",
        "req/s",
        "p50 ms",
        "p99 ms",
        "req/s ÷ hello's",
        "p50 ÷ hello's",
        "p99 ÷ p50",
    )
    rows: list[Sequence[str]] = []
    for connections in LEVELS:
        for case in cases(results, BESIDE, model, CLOSED, connections):
            figures = [
                results.median(case, name) for name in ("requests_per_s", "p50_ms", "p99_ms")
            ]
            rows.append(
                (
                    case.wire,
                    str(connections),
                    number(figures[0], 0),
                    number(figures[1], 3),
                    number(figures[2], 2),
                    _spread(results.quotients(case, yardstick(case), "requests_per_s")),
                    _spread(results.quotients(case, yardstick(case), "p50_ms")),
                    number(middle(one.p99_ms / one.p50_ms for one in results.of(case)), 1),
                )
            )
    return markdown(head, rows)


def _spread(quotients: Sequence[float]) -> str:
    """Their median, and the half of them around it."""
    if len(quotients) < 2:
        return number(middle(quotients), 2)
    low, median, high = quantiles(quotients, n=4)
    return f"{median:.2f} ({low:.2f} to {high:.2f})"


def starts(results: Results, model: str) -> str:
    """What a server takes before its first answer, and after its last."""
    head = ("server", "start to first answer s", "processes", "RSS MiB", "PSS MiB")
    rows: list[Sequence[str]] = []
    for name, server in SERVERS.items():
        found = [
            one
            for one in results.starts
            if (one.part, one.model, one.server) == (PINNED, model, name)
        ]
        if found:
            rows.append((server.title, *_start(found)))
    return markdown(head, rows)


def _start(found: Sequence[Start]) -> tuple[str, ...]:
    return (
        number(middle(one.start_s for one in found), 2),
        number(middle(one.processes for one in found), 0),
        number(middle(one.rss_mib for one in found), 0),
        number(middle(one.pss_mib for one in found), 0),
    )


def number(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"
