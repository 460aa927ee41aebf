"""A run that is interrupted and continued ends with the bits of one that was not."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.batches import Rows
from models.checkpoints import read_checkpoint
from models.determinism import seed_everything
from models.nets import build_net
from models.params import EarlyStopping, Optimizer, Scheduler, TrainingParams
from models.training import Fit, Trainer
from tests.support.exact import differences, fit, run
from tests.support.runs import Recorder, context

EPOCHS, BATCH = 4, 16
STEPS = EPOCHS * 5


@given(
    interruptions=st.lists(st.integers(1, STEPS), min_size=1, max_size=4),
    optimizer=st.sampled_from(["sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw"]),
    scheduler=st.sampled_from(["none", "step", "exponential", "cosine", "plateau", "onecycle"]),
    patience=st.sampled_from([0, 1]),
)
@settings(max_examples=25, deadline=None)
def test_interrupted_anywhere_and_continued_it_ends_with_the_same_bits(
    interruptions: list[int], optimizer: Any, scheduler: Any, patience: int
) -> None:
    params = TrainingParams(
        epochs=EPOCHS,
        batch_size=BATCH,
        optimizer=Optimizer(name=optimizer, lr=0.05, weight_decay=0.01),
        scheduler=Scheduler(name=scheduler, step_size=2, patience=0),
        early_stopping=EarlyStopping(patience=patience),
        checkpoint_every=1,
    )
    with TemporaryDirectory() as name:
        whole = run(Path(name, "whole"), params, [])
        pieces = run(Path(name, "pieces"), params, interruptions)
    assert differences(whole, pieces) == []


@pytest.mark.parametrize("interrupt_at", range(1, 7 * 2 + 1))
def test_every_step_of_two_epochs_is_a_good_place_to_stop(
    tmp_path: Path, interrupt_at: int
) -> None:
    """With Adam and dropout, from the first step to the last, the epochs' ends included."""
    params = TrainingParams(epochs=2, batch_size=12, optimizer=Optimizer(lr=0.02))
    whole = run(tmp_path / "whole", params, [])
    assert differences(whole, run(tmp_path / "pieces", params, [interrupt_at])) == []


def test_a_periodic_checkpoint_is_as_good_as_one_of_an_interruption(tmp_path: Path) -> None:
    params = TrainingParams(epochs=EPOCHS, batch_size=BATCH, checkpoint_every=1)
    seed_everything(0)
    report = Recorder()
    whole = Trainer(fit(), params, context(tmp_path / "whole", report=report)).run()
    for number, saved in enumerate(report.checkpoints):
        seed_everything(77)
        again = Trainer(fit(), params, context(tmp_path / str(number), resume=saved.path)).run()
        assert again.history == whole.history
        both = [read_checkpoint(trained.checkpoint.path) for trained in (whole, again)]
        assert differences(*both) == []


def test_a_checkpoint_made_by_the_clock_within_an_epoch_continues_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.checkpoints.Cadence.PAUSE_S", 0.0)
    monkeypatch.setattr("models.checkpoints.Cadence.SHARE", 1e9)
    params = TrainingParams(epochs=2, batch_size=BATCH)
    seed_everything(0)
    report = Recorder()
    whole = Trainer(fit(), params, context(tmp_path / "whole", report=report)).run()
    assert len(report.checkpoints) > 2
    middle = report.checkpoints[len(report.checkpoints) // 2]
    again = Trainer(fit(), params, context(tmp_path / "again", resume=middle.path)).run()
    both = [read_checkpoint(trained.checkpoint.path) for trained in (whole, again)]
    assert differences(*both) == []


def sequences() -> Fit:
    """Rows of different lengths, which a batch sorts and cuts to its longest."""
    generator = torch.Generator().manual_seed(6)
    inputs, lengths = torch.randn(40, 9, 2, generator=generator), torch.arange(40) % 9 + 1
    net = build_net({"name": "attention", "inputs": 2, "outputs": 2, "width": 8, "dropout": 0.3})
    rows = Rows(inputs, (inputs[:, 0, 0] > 0).long(), lengths)
    return Fit(net, net, nn.CrossEntropyLoss(), rows, {"test": rows.part(slice(10))})


@pytest.mark.parametrize("interrupt_at", [1, 3, 5, 6, 9])
def test_sequences_continue_with_the_same_bits(tmp_path: Path, interrupt_at: int) -> None:
    params = TrainingParams(epochs=2, batch_size=8, optimizer=Optimizer(lr=0.02))
    whole = run(tmp_path / "whole", params, [], make=sequences)
    pieces = run(tmp_path / "pieces", params, [interrupt_at], make=sequences)
    assert differences(whole, pieces) == []
