"""Every piece of the resume state is needed: without any one of them a run ends otherwise.

A checkpoint from the middle of an epoch is given the value that a piece has when a training begins,
as if it had been left out of the file. So a piece that is no longer saved, or no longer restored,
cannot go unnoticed; nor can one that is added to the file and not to this test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.checkpoints import read_checkpoint
from models.determinism import seed_everything
from models.errors import Interrupted
from models.params import EarlyStopping, Optimizer, Scheduler, TrainingParams
from models.training import Fit, Trainer
from tests.support.exact import fit
from tests.support.runs import Recorder, context

State = dict[str, Any]

PARAMS = TrainingParams(
    epochs=9,
    batch_size=16,  # five steps an epoch
    optimizer=Optimizer(name="adam", lr=0.2),
    scheduler=Scheduler(name="step", step_size=3, gamma=0.7),
    early_stopping=EarlyStopping(patience=3, min_delta=0.2),
)
STOPPED_AT = 18
"""In the middle of the fourth epoch: behind the best one, before early stopping returns to it."""
COMPARED = ("weights", "last weights", "history", "kept")
BESIDES = {"format", "shape", "about", "fingerprint", "rules"}
"""What a file says of itself; it is compared, not restored."""
PIECES: dict[str, Callable[[str], bool]] = {
    "weights": lambda path: path.startswith("model/") and not _is_buffer(path),
    "buffers": lambda path: path.startswith("model/") and _is_buffer(path),
    "optimizer": lambda path: path.startswith("optimizer/state"),
    "rates": lambda path: path.startswith("optimizer/param_groups"),
    "generator of torch": lambda path: path == "random/torch",
    "generator of numpy": lambda path: path.startswith("random/numpy"),
    "generator of Python": lambda path: path.startswith("random/python"),
    **{
        name: lambda path, name=name: path.partition("/")[0] == name
        for name in (
            *("epoch", "batch", "step", "best_weights", "scheduler", "watch", "running"),
            "history",
        )
    },
}


def _is_buffer(path: str) -> bool:
    return path.rpartition(".")[2] in {"running_mean", "running_var", "num_batches_tracked"}


def train(directory: Path, *, resume: Path | None = None, stop: int | None = None) -> State:
    """→ all that a training leaves: weights and statistics, the series of metrics, and how far it
    says to have come. Stopped, it leaves the file."""
    seed_everything(7 if resume is None else 77)
    made: Fit = fit()
    report = Recorder(interrupt_at=stop)
    try:
        trained = Trainer(made, PARAMS, context(directory, report=report, resume=resume)).run()
    except Interrupted:
        return {"file": report.checkpoints[-1].path}
    return {
        "weights": digest(made.model.state_dict()),
        "last weights": digest(read_checkpoint(trained.checkpoint.path)["model"]),
        "history": trained.history,
        "told": report.history,
        "kept": (trained.best_epoch, trained.kept_epoch, trained.steps),
    }


def digest(weights: Mapping[str, Tensor]) -> str:
    found = hashlib.sha256()
    for name, value in weights.items():
        found.update(name.encode() + value.numpy().tobytes())
    return found.hexdigest()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ablation")


@pytest.fixture(scope="module")
def begun(directory: Path) -> State:
    """What the file holds before the first step."""
    return read_checkpoint(train(directory / "begun", stop=1)["file"])


@pytest.fixture(scope="module")
def stopped(directory: Path) -> State:
    return read_checkpoint(train(directory / "stopped", stop=STOPPED_AT + 1)["file"])


@pytest.fixture(scope="module")
def whole(directory: Path) -> State:
    return train(directory / "whole")


def rest(state: State, directory: Path) -> State:
    """Go on from a file with this in it. → as `train`, with the series of the whole run."""
    directory.mkdir(exist_ok=True)
    torch.save(state, directory / "changed.pt")
    return train(directory, resume=directory / "changed.pt")


def without(left_out: Callable[[str], bool], state: Any, begun: Any, path: str = "") -> Any:
    """`state`, but what `left_out` tells of is as in `begun`."""
    if path and left_out(path):
        return begun
    if isinstance(state, dict):
        begun = begun if isinstance(begun, dict) else {}
        kept = {
            key: without(left_out, value, begun.get(key, ...), f"{path}/{key}".lstrip("/"))
            for key, value in state.items()
        }
        return {key: value for key, value in kept.items() if value is not ...}
    return state


def leaves(state: Any, path: str = "") -> list[str]:
    if isinstance(state, dict) and state:
        return [p for key, value in state.items() for p in leaves(value, f"{path}/{key}")]
    return [path.lstrip("/")]


def test_with_all_of_it_a_run_ends_as_if_it_had_not_been_interrupted(
    whole: State, stopped: State, tmp_path: Path
) -> None:
    found = rest(stopped, tmp_path)
    assert [name for name in COMPARED if found[name] != whole[name]] == []
    assert whole["told"][: stopped["epoch"]] + found["told"] == whole["told"]
    best, kept, _ = whole["kept"]
    assert best == kept <= stopped["epoch"] < len(whole["history"]) < PARAMS.epochs
    assert stopped["batch"] > 0


@pytest.mark.parametrize("piece", PIECES)
def test_without_any_one_piece_it_does_not(
    piece: str, whole: State, stopped: State, begun: State, tmp_path: Path
) -> None:
    found = rest(without(PIECES[piece], stopped, begun), tmp_path)
    assert [name for name in COMPARED if found[name] != whole[name]] != []


def test_no_piece_of_the_file_is_left_out_of_this_test(stopped: State) -> None:
    paths = [path for path in leaves(stopped) if path.partition("/")[0] not in BESIDES]
    assert not [path for path in paths if not any(piece(path) for piece in PIECES.values())]
    for name, piece in PIECES.items():
        assert any(map(piece, paths)), name
