from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
import torch

from models.checkpoints import Cadence, CheckpointFolder, SavedCheckpoint, read_checkpoint
from models.errors import CheckpointCorrupt

STATE = {"weights": torch.arange(5000.0), "deep": {"list": [1, 2.5, "three", None], "pair": (1, 2)}}


def save(folder: CheckpointFolder, step: int = 1, *, best: bool = False) -> SavedCheckpoint:
    return folder.save(STATE, epoch=1, step=step, metrics={"train_loss": 0.5}, best=best)


def test_what_is_read_is_what_was_saved(tmp_path: Path) -> None:
    saved = save(CheckpointFolder(tmp_path / "checkpoints"), best=True)
    data = saved.path.read_bytes()
    assert saved.sha256 == hashlib.sha256(data).hexdigest()
    assert saved.size_bytes == len(data)
    assert (saved.epoch, saved.step, saved.metrics, saved.best) == (1, 1, {"train_loss": 0.5}, True)
    state = read_checkpoint(saved.path, digest=saved.sha256)
    assert torch.equal(state["weights"], STATE["weights"])
    assert state["deep"] == STATE["deep"]


def test_nothing_but_whole_checkpoints_is_left_in_the_directory(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    paths = [save(folder, step).path for step in (1, 2)]
    assert sorted(tmp_path.iterdir()) == paths


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CheckpointFolder(tmp_path)
    before = save(folder, 1).path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(folder, 1)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


def test_the_best_and_the_last_two_are_kept(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, grace_s=0)
    for step in range(1, 8):
        save(folder, step, best=step in (1, 3))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000000003.pt",
        "step-000000006.pt",
        "step-000000007.pt",
    ]


def test_superseded_ones_stay_for_a_while_so_that_they_can_be_taken(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    for step in range(1, 8):
        save(folder, step)
    assert len(list(tmp_path.iterdir())) == 7


def test_another_digest_is_refused(tmp_path: Path) -> None:
    saved = save(CheckpointFolder(tmp_path))
    with pytest.raises(CheckpointCorrupt, match="SHA-256"):
        read_checkpoint(saved.path, digest="0" * 64)


def test_a_flipped_bit_is_never_read_as_another_value(tmp_path: Path) -> None:
    """Either it is noticed, or it was in a place that holds nothing (padding, times)."""
    saved = save(CheckpointFolder(tmp_path))
    good = saved.path.read_bytes()
    damaged = tmp_path / "damaged.pt"
    generator = random.Random(4)
    noticed = 0
    for _ in range(150):
        data = bytearray(good)
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        damaged.write_bytes(data)
        try:
            state = read_checkpoint(damaged)
        except CheckpointCorrupt:
            noticed += 1
        else:
            assert torch.equal(state["weights"], STATE["weights"])
            assert state["deep"] == STATE["deep"]
    assert noticed > 100


@pytest.mark.parametrize("length", [0, 10, 3000, -1])
def test_a_cut_off_file_is_refused(tmp_path: Path, length: int) -> None:
    saved = save(CheckpointFolder(tmp_path))
    saved.path.write_bytes(saved.path.read_bytes()[:length])
    with pytest.raises(CheckpointCorrupt) as caught:
        read_checkpoint(saved.path)
    assert str(tmp_path) not in str(caught.value)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    with pytest.raises(CheckpointCorrupt, match="cannot be read"):
        read_checkpoint(path)
    torch.save({"weights": torch.zeros(1)}, path)
    with pytest.raises(CheckpointCorrupt, match="not a checkpoint of format 1"):
        read_checkpoint(path)


class Payload:
    """Something that unpickles by running code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("ran"),)  # type: ignore[return-value]


def test_code_in_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"format": 1, "payload": Payload()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointCorrupt):
        read_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()


def test_by_epochs_it_is_due_at_each_such_end() -> None:
    cadence = Cadence(3, now=0.0)
    due = [epoch for epoch in range(1, 10) if cadence.due_at_end_of(epoch, 7 * epoch, now=1e9)]
    assert due == [3, 6, 9]
    assert not cadence.due(now=1e9)
    assert not cadence.due_after_steps(3)


def test_by_steps_it_is_due_after_so_many_wherever_an_epoch_ends() -> None:
    cadence = Cadence(3, now=0.0, unit="steps")
    assert [step for step in range(1, 10) if cadence.due_after_steps(step)] == [3, 6, 9]
    due = [epoch for epoch in range(1, 5) if cadence.due_at_end_of(epoch, 2 * epoch, now=1e9)]
    assert due == [3]
    assert not cadence.due(now=1e9)


def test_by_the_clock_it_costs_less_than_its_share() -> None:
    cadence = Cadence(None, now=0.0)
    assert not cadence.due_at_end_of(1, 1, now=0.9)
    assert cadence.due(now=1.0)
    cadence.saved(began=1.0, now=1.6)  # 0.6 s are 3 % of 20 s
    assert not cadence.due(now=21.5)
    assert cadence.due_at_end_of(2, 2, now=21.7)
    cadence.saved(began=21.7, now=21.701)
    assert not cadence.due(now=22.6)
    assert cadence.due(now=22.8)
