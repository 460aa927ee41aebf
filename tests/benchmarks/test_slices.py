"""Slices of a processor, without a kernel that hands them out."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import slices
from benchmarks.serving.load import Load
from benchmarks.serving.servers import OWN, SERVERS
from benchmarks.serving.servers.base import HTTP, Launch
from benchmarks.slices import CONNECTIONS, PERIOD_US, PROCESSES, SHARE, Slice


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the kernel would have its control groups: the second version of them."""
    monkeypatch.setattr(slices, "CGROUPS", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("version", "files"),
    [(1, ["cpu.cfs_period_us", "cpu.cfs_quota_us"]), (2, ["cpu.max"])],
)
def test_a_slice_is_a_fifth_of_a_core_by_either_version(
    tmp_path: Path, version: int, files: list[str]
) -> None:
    if version == 2:
        (tmp_path / "cpu.max").write_text("max 100000")
    Slice(tmp_path).limit()
    words = [word for name in files for word in (tmp_path / name).read_text().split()]
    assert sorted(map(int, words)) == [round(SHARE * PERIOD_US), PERIOD_US]
    assert sorted(file.name for file in tmp_path.iterdir()) == files


def test_slices_are_gone_afterwards(groups: Path) -> None:
    with slices.slices(3) as made:
        assert {one.directory for one in made} == set(groups.iterdir())
        assert len(made) == 3
    assert list(groups.iterdir()) == []


def test_the_first_version_has_processors_in_a_hierarchy_of_their_own(groups: Path) -> None:
    (groups / "cpu").mkdir()
    with slices.slices(1) as (one,):
        assert one.directory.parent == groups / "cpu"


def test_each_process_starts_in_a_slice_of_its_own(groups: Path) -> None:
    plain = Launch([["sh", "-c", "echo $1 > $0", str(groups / name), name] for name in "ab"])
    within = slices.within(replace(SERVERS[OWN], launch=lambda _site: plain), _made(groups))
    site: Any = None
    for number, command in enumerate(within.launch(site).commands):
        subprocess.run(command, check=True)
        assert (groups / "ab"[number]).read_text().strip() == "ab"[number]
        assert (groups / f"slice-{number}" / "cgroup.procs").read_text().strip().isdigit()


def _made(groups: Path) -> Iterator[Slice]:
    for number in range(2):
        (groups / f"slice-{number}").mkdir()
        yield Slice(groups / f"slice-{number}")


def test_the_table_is_of_each_number_of_processes_against_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates = {1: 100.0, 2: 190.0, 4: 360.0}

    def run(url: str, _request: Any, *, connections: int, **_named: Any) -> Load:
        workers = connections // CONNECTIONS
        assert url.endswith(f":{workers}")
        return Load(1, rates[workers], 1.0, 2.0, 3.0, 4.0)

    monkeypatch.setattr(slices.wrk, "run", run)
    wires = {"json": SimpleNamespace(protocol=HTTP, port=lambda site: site.workers)}
    up: Any = [
        SimpleNamespace(
            server=SimpleNamespace(wires=wires),
            site=SimpleNamespace(workers=workers),
            request=lambda _wire: None,
        )
        for workers in PROCESSES
    ]
    rows = [line.split(" | ") for line in slices.lines(up, 2, 1)][2:]
    assert [row[3] for row in rows] == ["100", "190", "360"]
    assert [row[-1] for row in rows] == ["**1.00** |", "**0.95** |", "**0.90** |"]
