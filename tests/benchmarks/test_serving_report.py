"""What the rounds of a serving benchmark come to, and how the report shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.serving import servers, tables
from benchmarks.serving.options import Options
from benchmarks.serving.plan import BESIDE, LEVELS, PARTS, PINNED, SHARED, turns
from benchmarks.serving.report import render
from benchmarks.serving.results import CLOSED, OPEN, Case, Failure, Results, Sample, Start
from benchmarks.serving.servers import SERVERS

ABOUT = {
    "cpu": "a CPU",
    "cores": 2,
    "load_before": 0.1,
    "memory_gib": 8,
    "os": "an OS",
    "python": "3.11",
    "date": "2026-01-01T00:00:00Z",
    "commit": "abc1234",
    "command": "the command",
    "versions": {"uvicorn": "1"},
    "environments": {"hello": [], "torchkiln": []},
}
SHARED_FILES = {"__init__", "base", "wires", "grpc_wire"}


def sample(case: Case, number: int, reached: float, **more: float) -> Sample:
    return Sample(case, number, 500, reached, 1.0, 2.0, 3.0, 4.0, 0.05, **more)


def case(server: str, wire: str, connections: int = 64, loop: str = CLOSED) -> Case:
    return Case(PINNED, "mlp", server, wire, 1, loop, connections)


@pytest.fixture
def results() -> Results:
    """Three rounds, the machine at half its speed in the second one."""
    found = Results(ABOUT)
    rates = {
        ("hello", "hello"): 40_000.0,
        ("torchkiln", "binary"): 60_000.0,
        ("kserve", "json"): 2_000.0,
    }
    for number, speed in enumerate((1.0, 0.5, 1.1)):
        for (server, wire), rate in rates.items():
            for connections in LEVELS:
                at = case(server, wire, connections)
                found.samples.append(sample(at, number, rate * speed))
        tail = case("torchkiln", "binary", loop=OPEN)
        found.samples.append(sample(tail, number, 100, rate=100.0, late_share=0.02))
    found.starts.append(Start(PINNED, "mlp", "torchkiln", 1, 0, 1.25, 150, 120, 1))
    found.failures.append(Failure("ray", "installation", "no | such\npackage"))
    return found


def test_a_ratio_is_taken_within_each_round(results: Results) -> None:
    own, hello = case("torchkiln", "binary"), case("hello", "hello")
    results.samples.append(sample(own, 3, 1.0))  # a round without a hello has no quotient
    assert results.ratio(own, hello) == 1.5
    assert results.ratio(own, case("triton", "binary")) is None
    assert results.median(hello, "requests_per_s") == 40_000


def test_a_row_holds_every_level_and_the_share_of_hello(results: Results) -> None:
    rows = tables.throughput(results, "mlp").splitlines()
    assert rows[3] == (
        "| torchkiln | binary | 60,000, 1.00, 2.00 | 60,000, 1.00, 2.00 | 60,000, 1.00, 2.00 "
        "| 1.50 | 0.050 |"
    )
    assert [row.split(" | ")[0] for row in rows[2:]] == [
        "| uvicorn hello",
        "| torchkiln",
        "| KServe SDK",
    ]


def test_torchkiln_is_held_against_each_peer_by_its_binary_too(results: Results) -> None:
    rows = tables.ratios(results, "mlp").splitlines()[2:]
    assert rows == [
        "| KServe SDK | json ÷ json | - | - | - |",
        "| KServe SDK | binary ÷ json | 30.0 | 30.0 | 30.0 |",
    ]


def test_beside_hello_each_load_is_held_against_the_one_next_to_it(results: Results) -> None:
    for number, speed in enumerate((1.0, 0.5, 1.0, 2.0)):
        for server, wire, rate in (("hello", "hello", 40_000.0), ("torchkiln", "json", 30_000.0)):
            at = case(server, wire)._replace(part=BESIDE)
            results.samples.append(sample(at, number, rate * speed))
    assert tables.beside(results, "mlp").splitlines()[2:] == [
        "| hello | 64 | 40,000 | 1.000 | 2.00 | 1.00 (1.00 to 1.00) | 1.00 (1.00 to 1.00) | 2.0 |",
        "| json | 64 | 30,000 | 1.000 | 2.00 | 0.75 (0.75 to 0.75) | 1.00 (1.00 to 1.00) | 2.0 |",
    ]


def test_what_is_measured_beside_hello_takes_no_turn_by_itself() -> None:
    assert {turn.part.name for turn in turns(PARTS, ["hello"], rounds=1)} == {PINNED, SHARED}


def test_few_requests_have_no_p999(results: Results) -> None:
    row = tables.tails(results, "mlp").splitlines()[2]
    assert row == "| torchkiln | binary | 100 | 1.00 | 2.00 | - | 2.00% |"


def test_the_report_is_whole_and_names_what_failed(results: Results, tmp_path: Path) -> None:
    page = render(results, Options(["hello"], PARTS, 2, 3, tmp_path))
    assert "a CPU, 2 cores" in page
    assert "abc1234" in page
    assert "| ray | installation | no \\| such package |" in page
    for picture in ("serving-mlp.png", "serving-mlp-tails.png"):
        assert f"]({picture})" in page
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    results.save(tmp_path / "raw.json")
    raw = json.loads((tmp_path / "raw.json").read_text())
    assert (len(raw["samples"]), raw["samples"][0]["server"]) == (len(results.samples), "hello")


def test_rounds_take_turns_in_alternating_order() -> None:
    order = [
        (turn.round, turn.server.name, turn.workers)
        for turn in turns(PARTS, ["hello", "kserve"], rounds=2)
        if turn.part.name == SHARED
    ]
    assert order == [
        *[(0, "hello", 1), (0, "hello", 2), (0, "kserve", 2)],
        *[(1, "kserve", 2), (1, "hello", 2), (1, "hello", 1)],
    ]


def test_every_server_file_is_in_the_table() -> None:
    files = {path.stem for path in Path(str(servers.__path__[0])).glob("*.py")} - SHARED_FILES
    served = {server.launch.__module__ for server in SERVERS.values()}
    by_table = {name for name in files if getattr(servers, name, None) is not None}
    assert files == by_table
    assert served <= {f"benchmarks.serving.servers.{name}" for name in files | {"base"}}


def test_packages_are_exact() -> None:
    loose = [one for server in SERVERS.values() for one in server.packages if "==" not in one]
    assert loose == []
