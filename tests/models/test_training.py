"""The loop: what it computes, what it tells, and how it stops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.batches import Rows, batches
from models.checkpoints import read_checkpoint
from models.determinism import permutation
from models.params import EarlyStopping, Optimizer, Scheduler, TrainingParams
from models.training import Fit, Trainer
from tests.support.runs import Recorder, context
from tests.support.small_fit import FEATURES, ROWS, net, rows, train


@given(
    count=st.integers(1, 200), size=st.integers(1, 64), first=st.integers(0, 5), seed=st.integers()
)
def test_an_epoch_takes_every_row_exactly_once(
    count: int, size: int, first: int, seed: int
) -> None:
    data = Rows(torch.arange(count, dtype=torch.float32)[:, None], torch.arange(count))
    order = permutation(count, seed, epoch=3)
    found = list(batches(data, order, size, first))
    assert all(inputs[:, 0].tolist() == targets.tolist() for (inputs,), targets in found)
    assert all(len(targets) == size for _, targets in found[:-1])
    taken = [row for _, targets in found for row in targets.tolist()]
    assert taken == order.tolist()[first * size :]
    assert first or sorted(taken) == list(range(count))


def test_large_rows_are_gathered_in_several_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [targets.tolist() for _, targets in batches(rows(), permutation(ROWS, 0, 0), 7)]
    monkeypatch.setattr("models.batches.GATHERED", 2 * 7 * FEATURES)
    pieces = [targets.tolist() for _, targets in batches(rows(), permutation(ROWS, 0, 0), 7)]
    assert pieces == whole


def test_metrics_are_means_over_rows(tmp_path: Path) -> None:
    trained, model = train(tmp_path)
    model.eval()
    held = rows(40, seed=1)
    with torch.no_grad():
        outputs = model(held.inputs)
    last = trained.history[-1]
    expected = nn.functional.cross_entropy(outputs, held.targets).item()
    assert last["test_loss"] == pytest.approx(expected, rel=1e-6)
    assert last["test_accuracy"] == (outputs.argmax(1) == held.targets).double().mean().item()
    assert set(last) == {"train_loss", "train_accuracy", "test_loss", "test_accuracy", "lr"}


def test_progress_metrics_and_checkpoints_are_told(tmp_path: Path) -> None:
    report = Recorder()
    trained, _ = train(tmp_path, report=report, checkpoint_every=2)
    assert report.history == trained.history
    assert report.steps[-1] == {"epoch": 4, "epochs": 4, "step": 24, "steps": 24}
    assert report.samples == 4 * ROWS
    assert [(saved.epoch, saved.step) for saved in report.checkpoints] == [(2, 12), (4, 24)]
    took = sum(saved.took_s for saved in report.checkpoints)
    assert took == pytest.approx(trained.checkpoints_s)
    assert took > 0
    assert report.checkpoints[-1] == trained.checkpoint
    assert report.checkpoints[-1].metrics == trained.history[-1]
    json.dumps(report.history, allow_nan=False)


def test_a_short_run_has_one_checkpoint_unless_it_is_asked_for_more(tmp_path: Path) -> None:
    report = Recorder()
    train(tmp_path, report=report)
    assert [saved.epoch for saved in report.checkpoints] == [4]


def test_the_best_checkpoint_is_the_one_with_the_lowest_watched_loss(tmp_path: Path) -> None:
    report = Recorder()
    trained, _ = train(
        tmp_path, report=report, checkpoint_every=1, epochs=12, optimizer=Optimizer(lr=0.3)
    )
    losses = [epoch["train_loss"] for epoch in trained.history]
    assert trained.best_epoch == losses.index(min(losses)) + 1
    best = [saved.epoch for saved in report.checkpoints if saved.best]
    assert best == [
        epoch for epoch, loss in enumerate(losses, start=1) if loss == min(losses[:epoch])
    ]


def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    report = Recorder()
    trained, model = train(
        tmp_path,
        report=report,
        epochs=200,
        checkpoint_every=1,
        optimizer=Optimizer(lr=0.5),
        early_stopping=EarlyStopping(patience=3),
    )
    assert len(trained.history) == trained.best_epoch + 3 < 200
    assert trained.kept_epoch == trained.best_epoch
    best = next(saved for saved in report.checkpoints if saved.epoch == trained.best_epoch)
    saved = torch.load(best.path, weights_only=True)["model"]
    assert all(torch.equal(saved[name], value) for name, value in model.state_dict().items())


def test_without_early_stopping_the_last_weights_are_kept(tmp_path: Path) -> None:
    trained, model = train(tmp_path, epochs=12, optimizer=Optimizer(lr=0.5))
    assert trained.kept_epoch == 12
    saved = read_checkpoint(trained.checkpoint.path)["model"]
    assert all(torch.equal(saved[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["step", "exponential", "cosine", "plateau", "onecycle"])
def test_the_rate_is_the_schedules(tmp_path: Path, name: Any) -> None:
    params = Scheduler(name=name, step_size=2, gamma=0.5, patience=0)
    trained, _ = train(tmp_path, epochs=6, scheduler=params, optimizer=Optimizer(lr=0.1))
    rates = [epoch["lr"] for epoch in trained.history]
    losses = [epoch["train_loss"] for epoch in trained.history]
    assert rates == pytest.approx(reference_rates(name, losses), rel=1e-12)


def reference_rates(name: str, losses: list[float]) -> list[float]:
    """Torch's own schedule, of an optimizer of its own."""
    schedules = torch.optim.lr_scheduler
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler: Any = {
        "step": lambda: schedules.StepLR(optimizer, 2, 0.5),
        "exponential": lambda: schedules.ExponentialLR(optimizer, 0.5),
        "cosine": lambda: schedules.CosineAnnealingLR(optimizer, 6),
        "plateau": lambda: schedules.ReduceLROnPlateau(optimizer, factor=0.5, patience=0),
        "onecycle": lambda: schedules.OneCycleLR(optimizer, 1.0, total_steps=6),
    }[name]()
    rates: list[float] = []
    for loss in losses:
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < len(losses):
            scheduler.step(*([loss] if name == "plateau" else []))
    return rates


@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
def test_one_cycle_takes_any_number_of_epochs(tmp_path: Path, epochs: int) -> None:
    for number, optimizer in enumerate(("sgd", "momentum", "adagrad", "rmsprop", "adamw")):
        trained, _ = train(
            tmp_path / str(number),
            epochs=epochs,
            scheduler=Scheduler(name="onecycle"),
            optimizer=Optimizer(name=optimizer, lr=1e-3),
        )
        assert len(trained.history) == epochs


def test_deterministic_algorithms_are_on_while_training_and_restored_after(tmp_path: Path) -> None:
    seen: list[bool] = []

    class Watching(nn.CrossEntropyLoss):
        def forward(self, input: Tensor, target: Tensor) -> Tensor:
            seen.append(torch.are_deterministic_algorithms_enabled())
            return super().forward(input, target)

    model = net()
    Trainer(
        Fit(model, model, Watching(), rows()), TrainingParams(epochs=1), context(tmp_path)
    ).run()
    assert set(seen) == {True}
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_same_seed_gives_the_same_weights_and_another_one_others(tmp_path: Path) -> None:
    finals = [train(tmp_path / str(number))[1].state_dict() for number in range(2)]
    assert all(torch.equal(finals[0][name], finals[1][name]) for name in finals[0])
    model = net()
    fit = Fit(model, model, nn.CrossEntropyLoss(), rows())
    run = context(tmp_path / "other", seed=1)
    Trainer(fit, TrainingParams(epochs=4, batch_size=16), run).run()
    assert not torch.equal(model.state_dict()["0.weight"], finals[0]["0.weight"])


def test_the_model_has_memory_of_its_own_afterwards(tmp_path: Path) -> None:
    _, model = train(tmp_path)
    places = {value.untyped_storage().data_ptr() for value in model.parameters()}
    assert len(places) == 4
    assert all(parameter.grad is None for parameter in model.parameters())
