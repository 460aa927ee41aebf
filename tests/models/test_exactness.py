"""What a run's last digits depend on is kept in its checkpoints, and a change of it is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from models import exactness
from models.checkpoints import read_checkpoint
from models.params import TrainingParams
from models.training import Trainer
from tests.support.exact import fit
from tests.support.runs import Recorder, context

CPU = torch.device("cpu")
PARAMS = TrainingParams(epochs=1, batch_size=40)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A checkpoint of a training on data with a digest."""
    place = context(tmp_path_factory.mktemp("saved"))
    made = replace(fit(), about={"dataset_sha256": "d1"})
    return read_checkpoint(Trainer(made, PARAMS, place).run().checkpoint.path)


def resume(state: dict[str, Any], directory: Path, data: str = "d1") -> Recorder:
    torch.save(state, directory / "state.pt")
    report = Recorder()
    place = context(directory, report=report, resume=directory / "state.pt")
    Trainer(replace(fit(), about={"dataset_sha256": data}), PARAMS, place).run()
    return report


def test_a_checkpoint_holds_what_it_was_made_with(saved: dict[str, Any]) -> None:
    assert saved["fingerprint"] == {
        "torch": torch.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "device": "cpu",
        "threads": torch.get_num_threads(),
        "code": exactness.code_sha256(),
        "data": "d1",
    }


def test_where_nothing_has_changed_the_run_is_exact_and_says_so_once(
    saved: dict[str, Any], tmp_path: Path
) -> None:
    report = resume(saved, tmp_path)
    assert (report.exact, report.differences) == ([True], {})


def test_each_difference_is_told_by_its_name(saved: dict[str, Any], tmp_path: Path) -> None:
    older = {**saved["fingerprint"], "torch": "2.0.0", "code": "c0", "cpu": "NEON"}
    report = resume({**saved, "fingerprint": older}, tmp_path, data="d2")
    now = exactness.fingerprint(CPU, "d2")
    assert report.exact == [False]
    assert report.differences == {
        "code": ["c0", now["code"]],
        "cpu": ["NEON", now["cpu"]],
        "data": ["d1", "d2"],
        "torch": ["2.0.0", now["torch"]],
    }


def test_a_run_goes_on_with_the_threads_of_its_checkpoint(
    saved: dict[str, Any], tmp_path: Path
) -> None:
    threads = torch.get_num_threads() + 1
    made_with = {**saved["fingerprint"], "threads": threads}
    report = resume({**saved, "fingerprint": made_with}, tmp_path)
    assert torch.get_num_threads() == threads
    assert report.exact == [True]
    assert read_checkpoint(report.checkpoints[-1].path)["fingerprint"]["threads"] == threads


def test_of_a_checkpoint_without_a_fingerprint_it_is_unknown(
    saved: dict[str, Any], tmp_path: Path
) -> None:
    old = {name: value for name, value in saved.items() if name != "fingerprint"}
    report = resume(old, tmp_path)
    assert report.exact == [False]
    assert report.differences == {"fingerprint": ["unknown", "known"]}
    assert torch.get_num_threads() == saved["fingerprint"]["threads"]


def test_the_digest_of_the_code_is_that_of_every_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    monkeypatch.setattr(exactness, "__file__", str(tmp_path / "exactness.py"))
    seen: set[str] = set()
    for file, text in [("a.py", "1"), ("a.py", "2"), ("deep/b.py", ""), ("deep/b.py", "1")]:
        (tmp_path / file).write_text(text)
        seen.add(exactness.code_sha256.__wrapped__())
    (tmp_path / "notes.md").write_text("no code")
    assert exactness.code_sha256.__wrapped__() in seen
    assert len(seen) == 4
