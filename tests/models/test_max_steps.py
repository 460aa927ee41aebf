"""A limit on optimizer steps: training ends there as if its epochs were over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.checkpoints import read_checkpoint
from models.determinism import seed_everything
from models.errors import Interrupted
from models.params import Optimizer, Scheduler, TrainingParams
from models.pipelines import PIPELINES
from models.training import Trainer
from tests.support.exact import differences, fit, run
from tests.support.runs import Recorder, context

PARAMS = TrainingParams(
    epochs=4,
    batch_size=16,  # five steps an epoch
    optimizer=Optimizer(lr=0.05),
    scheduler=Scheduler(name="step", step_size=1),
)


@pytest.mark.parametrize(("limit", "epochs"), [(1, 1), (12, 3), (10, 2)])
def test_the_epoch_in_progress_is_measured_and_the_model_kept(
    limit: int, epochs: int, tmp_path: Path
) -> None:
    seed_everything(0)
    report = Recorder()
    trained = Trainer(fit(), PARAMS, context(tmp_path, report=report, max_steps=limit)).run()
    assert trained.steps == limit
    assert len(trained.history) == len(report.history) == epochs
    assert (report.checkpoints[-1].epoch, report.checkpoints[-1].step) == (epochs, limit)
    assert report.steps[-1] == {"epoch": epochs, "epochs": 4, "step": limit, "steps": limit}
    said = f"training ends at step {limit}, in epoch {epochs} of 4, as 'stop.max_steps' says"
    assert report.logs == [said]


@pytest.mark.parametrize("limit", [20, 21])
def test_a_limit_that_is_not_reached_changes_nothing(limit: int, tmp_path: Path) -> None:
    limited = run(tmp_path / "limited", PARAMS, [], max_steps=limit)
    assert differences(limited, run(tmp_path / "free", PARAMS, [])) == []


def test_it_ends_with_the_same_bits_however_often_it_is_interrupted(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", PARAMS, [], max_steps=13)
    assert differences(whole, run(tmp_path / "pieces", PARAMS, [4, 3, 6], max_steps=13)) == []


def test_what_ended_at_the_limit_has_ended_for_whoever_goes_on(tmp_path: Path) -> None:
    seed_everything(0)
    first = Trainer(fit(), PARAMS, context(tmp_path / "1", max_steps=12)).run()
    place = context(tmp_path / "2", resume=first.checkpoint.path, max_steps=12)
    again = Trainer(fit(), PARAMS, place).run()
    assert again.history == first.history
    both = [read_checkpoint(trained.checkpoint.path) for trained in (first, again)]
    assert differences(*both) == []


TRANSFER = {
    "base_epochs": 1,
    "epochs": 2,
    "batch_size": 64,
    "rows_per_class": 20,
    "base_net": "mlp",
}


def transfer(directory: Path, limit: int | None, **more: object) -> tuple[list[int], Recorder]:
    """→ the steps that each of the three trainings took."""
    pipeline, report = PIPELINES["transfer-learning"], Recorder()
    place = context(directory, report=report, dataset="digits-5-9", max_steps=limit)
    place = replace(place, **more)
    pipeline.run(place, pipeline.params.model_validate(TRANSFER))
    last = [read_checkpoint(saved.path) for saved in report.checkpoints]
    taken = {state["about"]["phase"]: state["step"] for state in last}
    return [taken[phase] for phase in ("base", "scratch", "transfer") if phase in taken], report


def test_the_steps_of_all_trainings_of_a_job_count_and_each_takes_one_at_least(
    tmp_path: Path,
) -> None:
    free, _ = transfer(tmp_path / "free", None)
    assert free == [12, 4, 4]
    found = {limit: transfer(tmp_path / str(limit), limit)[0] for limit in (5, 1)}
    assert found == {5: [3, 1, 1], 1: [1, 1, 1]}


def test_a_job_cut_short_goes_on_in_the_training_that_it_was_stopped_in(tmp_path: Path) -> None:
    report = Recorder(interrupt_at=4)
    with pytest.raises(Interrupted):
        transfer(tmp_path / "first", 6, report=report)
    assert report.checkpoints[-1].step == 3
    rest, _ = transfer(tmp_path / "second", 6, resume=report.checkpoints[-1].path)
    assert rest == [4, 1, 1]


def test_variants_share_the_limit_so_that_they_can_be_compared(tmp_path: Path) -> None:
    pipeline, report = PIPELINES["regularization"], Recorder()
    place = context(tmp_path, report=report, max_steps=8)
    outcome = pipeline.run(place, pipeline.params.model_validate({"epochs": 9}))
    assert set(outcome.results) == {"none", "l2", "dropout"}
    assert report.steps[-1]["step"] == report.steps[-1]["steps"] == 6
