"""A job that is resumed with more epochs is the longer job, where its schedule allows that."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from models.checkpoints import read_checkpoint
from models.determinism import seed_everything
from models.params import EarlyStopping, Optimizer, Scheduler, TrainingParams
from models.training import Trained, Trainer
from tests.support.exact import differences, fit
from tests.support.runs import Recorder, context

LR = 0.05


def train(
    directory: Path, epochs: int, *, resume: Trained | None = None, **params: Any
) -> tuple[Trained, Recorder]:
    seed_everything(0 if resume is None else 99)
    report = Recorder()
    where = None if resume is None else resume.checkpoint.path
    defaults: dict[str, Any] = {"batch_size": 16, "optimizer": Optimizer(name="adam", lr=LR)}
    asked = TrainingParams(epochs=epochs, **defaults | params)
    place = context(directory / str(epochs), report=report, resume=where)
    return Trainer(fit(), asked, place).run(), report


@pytest.mark.parametrize("name", ["none", "step", "exponential", "plateau"])
@pytest.mark.parametrize("first", [1, 3])
def test_it_ends_with_the_same_bits_where_the_schedule_does_not_know_the_end(
    name: Any, first: int, tmp_path: Path
) -> None:
    params = {"scheduler": Scheduler(name=name, step_size=1, patience=0, gamma=0.3)}
    short, _ = train(tmp_path / "pieces", first, **params)
    longer, report = train(tmp_path / "pieces", 5, resume=short, **params)
    whole, _ = train(tmp_path / "whole", 5, **params)
    both = [read_checkpoint(trained.checkpoint.path) for trained in (longer, whole)]
    assert differences(*both) == []
    assert report.exact == [True]
    last = report.steps[-1]
    assert last == {"epoch": 5, "epochs": 5, "step": 25, "steps": 25}


@pytest.mark.parametrize("name", ["cosine", "onecycle"])
def test_elsewhere_the_rate_goes_on_along_the_curve_to_the_new_end(
    name: Any, tmp_path: Path
) -> None:
    params = {"scheduler": Scheduler(name=name)}
    short, _ = train(tmp_path / "pieces", 4, **params)
    longer, report = train(tmp_path / "pieces", 8, resume=short, **params)
    whole, _ = train(tmp_path / "whole", 8, **params)
    rates = [[epoch["lr"] for epoch in trained.history] for trained in (short, longer, whole)]
    assert rates[1][:4] == rates[0]
    # The fourth epoch's own rate was the short curve's; all that follow are the longer one's.
    assert rates[1][4:] == pytest.approx(rates[2][4:], rel=1e-9)
    assert report.exact == [False]
    assert report.differences == {"epochs": [4, 8]}


def test_a_moved_end_holds_from_the_step_on_at_which_it_goes_on(tmp_path: Path) -> None:
    params = TrainingParams(
        epochs=4, batch_size=16, optimizer=Optimizer(lr=LR), scheduler=Scheduler(name="cosine")
    )
    first = Recorder()
    asked = params.model_copy(update={"checkpoint_every": 12, "checkpoint_unit": "steps"})
    Trainer(fit(), asked, context(tmp_path / "1", report=first)).run()
    within = first.checkpoints[0]
    assert (within.epoch, within.step) == (2, 12)
    longer = params.model_copy(update={"epochs": 8})
    again = Trainer(fit(), longer, context(tmp_path / "2", resume=within.path)).run()
    expected = [LR * (1 + math.cos(math.pi * epoch / 8)) / 2 for epoch in range(2, 8)]
    assert [epoch["lr"] for epoch in again.history[2:]] == pytest.approx(expected)


def test_early_stopping_that_has_stopped_stays_stopped(tmp_path: Path) -> None:
    stop = {"early_stopping": EarlyStopping(patience=1, min_delta=0.5)}
    short, _ = train(tmp_path, 6, **stop)
    assert len(short.history) < 6
    longer, report = train(tmp_path, 9, resume=short, **stop)
    assert longer.history == short.history
    assert (longer.kept_epoch, longer.steps) == (short.kept_epoch, short.steps)
    assert [saved.step for saved in report.checkpoints] == [short.steps]
    assert not report.history
