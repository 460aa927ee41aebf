"""Two processes train together as one would, and as torch's own data parallelism does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from models.parallel.distributed import environment
from tests.models.parallel.two_ranks import PARAMS, UNEVEN, net, train
from tests.support.runs import Recorder

Found = list[dict[str, Any]]

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def found(directory: Path) -> Found:
    """What each of two ranks has to tell."""
    command = [sys.executable, "-W", "error", "-m", "tests.models.parallel.two_ranks"]
    both = [
        subprocess.Popen([*command, str(rank), str(directory)], env={**os.environ, **environment()})
        for rank in (0, 1)
    ]
    assert [process.wait(120) for process in both] == [0, 0]
    return [torch.load(directory / f"{rank}/found.pt") for rank in (0, 1)]


def close(one: dict[str, Any], other: dict[str, Any], tolerance: float) -> bool:
    return one.keys() == other.keys() and all(
        torch.allclose(value, other[name], rtol=tolerance, atol=tolerance)
        for name, value in one.items()
    )


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_it_is_what_torchs_own_does_statistics_of_batch_norm_included(found: Found) -> None:
    assert close(found[0]["ours"], found[0]["torch"], 1e-6)
    assert same(found[0]["ours"], found[1]["ours"])


def test_two_processes_learn_what_one_does_also_from_an_uneven_last_batch(
    found: Found, tmp_path: Path
) -> None:
    alone = net(smooth=True)
    history = train(alone, UNEVEN, tmp_path, None).history
    assert close(found[0]["smooth"], alone.state_dict(), 1e-5)
    for told in (found[0]["smooth history"], found[1]["smooth history"]):
        for ours, theirs in zip(told, history, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-5)


def test_all_stop_at_the_step_at_which_rank_0_is_told_to_and_go_on_with_the_same_bits(
    found: Found,
) -> None:
    first, second = (rank["resumed"] for rank in found)
    assert (first["reason"], second["reason"]) == ("pause", "rank 0 stops")
    assert first["stopped at"] == second["stopped at"] == 8
    for rank in (first, second):
        assert same(rank["pieces"], rank["whole"])
        assert rank["pieces history"] == rank["whole history"]
    assert same(first["whole"], second["whole"])


def test_only_rank_0_writes_and_afterwards_chance_is_the_same_for_all(found: Found) -> None:
    first, second = (rank["resumed"] for rank in found)
    assert first["files"] == [f"step-{step:09d}.pt" for step in (18, 8, 18)]
    assert second["files"] == []
    assert torch.equal(first["random afterwards"], second["random afterwards"])


def test_the_clock_of_rank_0_says_when_to_save(found: Found) -> None:
    assert len(found[0]["saved at"]) > 10
    assert found[0]["saved at"] == found[1]["saved at"]


def test_a_limit_and_checkpoints_by_steps_hold_for_all_at_the_same_step(found: Found) -> None:
    for rank in (found[0]["limited"], found[1]["limited"]):
        assert rank["saved at"] == [4, 8, 10, 10]
        assert rank["exact"] == [True]
        assert len(rank["history"]) == 2
        assert rank["again"] == rank["history"][1:]
        assert same(rank["weights"], rank["weights again"])
    assert found[0]["limited"]["history"] == found[1]["limited"]["history"]


def test_more_or_fewer_processes_go_on_from_a_checkpoint_and_it_is_not_exact(
    found: Found, directory: Path, tmp_path: Path
) -> None:
    for rank in (found[0]["from one"], found[1]["from one"]):
        assert (rank["exact"], rank["differences"]) == ([False], {"world_size": [1, 2]})
        assert len(rank["history"]) == PARAMS.epochs - 1
    of_two = next((directory / "0" / "first" / "checkpoints").glob("*.pt"))
    report = Recorder()
    trained = train(net(smooth=False), UNEVEN, tmp_path, None, report=report, resume=of_two)
    assert (report.exact, report.differences) == ([False], {"world_size": [2, 1]})
    assert len(trained.history) == PARAMS.epochs


def test_what_rank_0_has_fetched_the_others_find(found: Found) -> None:
    assert [rank["in turn"] for rank in found] == [True, True]


def test_a_rank_notices_that_another_one_is_gone(found: Found) -> None:
    assert found[0]["left alone"]
