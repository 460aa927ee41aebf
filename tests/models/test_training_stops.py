"""How training ends before its end, and what it refuses to go on from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn

from models.checkpoints import read_checkpoint
from models.errors import Diverged, Interrupted, InvalidData
from models.params import Optimizer, Scheduler, TrainingParams
from models.training import Fit, Trainer
from tests.support.runs import Recorder, context
from tests.support.small_fit import CLASSES, FEATURES, net, rows, train


def test_an_interruption_leaves_a_checkpoint_and_the_reason(tmp_path: Path) -> None:
    report = Recorder(interrupt_at=10, reason="cancel")
    with pytest.raises(Interrupted) as caught:
        train(tmp_path, report=report)
    assert caught.value.reason == "cancel"
    (saved,) = report.checkpoints
    assert (saved.epoch, saved.step, saved.best) == (1, 9, False)
    assert saved.metrics == report.history[-1]


class Exploding(nn.Module):
    """A loss that is fine for a while and then is `value`."""

    def __init__(self, value: float, after: int) -> None:
        super().__init__()
        self.value, self.left = value, after

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        self.left -= 1
        loss = nn.functional.cross_entropy(outputs, targets)
        return loss if self.left >= 0 else loss * self.value


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_divergence_names_the_epoch_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, value: float
) -> None:
    model, report = net(), Recorder()
    # Six batches an epoch and one evaluation: the third epoch's second batch is the first bad one.
    fit = Fit(model, model, Exploding(value, 15), rows(), {"test": rows(40, seed=1)})
    params = TrainingParams(epochs=5, batch_size=16, checkpoint_every=1)
    with pytest.raises(Diverged, match="in epoch 3"):
        Trainer(fit, params, context(tmp_path, report=report)).run()
    assert [saved.epoch for saved in report.checkpoints] == [1, 2]
    good = read_checkpoint(report.checkpoints[-1].path)["model"]
    assert all(bool(weights.isfinite().all()) for weights in good.values())


def test_an_interruption_after_divergence_saves_nothing_bad(tmp_path: Path) -> None:
    model, report = net(), Recorder(interrupt_at=5)
    fit = Fit(model, model, Exploding(math.nan, 1), rows())
    with pytest.raises(Diverged, match="in epoch 1"):
        Trainer(fit, TrainingParams(batch_size=16), context(tmp_path, report=report)).run()
    assert report.checkpoints == []


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"batch_size": 8},
            "expected 90 rows with batch_size 16, .* got 90 rows with batch_size 8",
        ),
        ({"optimizer": Optimizer(name="sgd")}, "Adam and no schedule, the params say SGD"),
        ({"scheduler": Scheduler(name="cosine")}, "the params say Adam and CosineAnnealingLR"),
        ({"model": nn.Linear(FEATURES, CLASSES)}, "other shapes"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    tmp_path: Path, params: dict[str, Any], message: str
) -> None:
    trained, _ = train(tmp_path)
    model = params.pop("model", None) or net()
    run = context(tmp_path, resume=trained.checkpoint.path)
    settings = TrainingParams(**{"epochs": 4, "batch_size": 16} | params)
    with pytest.raises(InvalidData, match=message):
        Trainer(Fit(model, model, nn.CrossEntropyLoss(), rows()), settings, run).run()
