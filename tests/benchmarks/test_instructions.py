"""The guard of the fast path's cost: what it lets pass, and what not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import instructions


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "figures.json"
    monkeypatch.setattr(instructions, "FIGURES", file)
    figures = {"binary": 1000, "json": 2000}
    file.write_text(json.dumps({"of": instructions.conditions(), "a_request": figures}))
    return file


@pytest.mark.parametrize(("binary", "code"), [(900, 0), (1050, 0), (1051, 1)])
def test_more_than_five_percent_over_what_is_written_down_fails(
    written: Path, binary: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert instructions.check({"binary": binary, "json": 2000}) == code
    assert f"{binary / 1000:.3f} of the 1,000" in capsys.readouterr().out


def test_figures_of_other_libraries_are_not_compared(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = instructions.conditions() | {"python": "4.0"}
    written.write_text(json.dumps({"of": other, "a_request": {"binary": 1, "json": 1}}))
    assert instructions.check({"binary": 1000, "json": 1000}) == 0
    assert "not compared" in capsys.readouterr().out
