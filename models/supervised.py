"""What the pipelines that fit a net to labelled rows have in common, from dataset to outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import data
from models.batches import Rows, row_width
from models.data import Dataset, uploads
from models.data.splits import split, stratified_split
from models.determinism import derive, seed_everything
from models.errors import InvalidData
from models.evaluation import ELEMENTS, Measure
from models.initialization import initialize
from models.losses import build_loss
from models.params import Loss, TrainingParams
from models.parity import CLASSIFIERS
from models.publishing import TrainedModel
from models.run import Outcome, RunContext
from models.servable import Servable, build
from models.signature import LENGTHS, Signature, TensorSpec
from models.training import Fit, Trained, Trainer
from models.transforms import Destandardize, Normalize, Standardize

HELD_OUT = 256
"""Test rows that go along for the certificates; the first ones, at most so many."""

CALIBRATION = 256
"""Training rows that go along for variants of fewer bits."""

DEFAULT_VALIDATION = 0.1


@dataclass(frozen=True)
class Problem:
    """What makes one supervised pipeline different from another."""

    task: str
    architecture: Mapping[str, Any]
    loss: Loss
    prepare_targets: Callable[[NDArray[Any]], Tensor]
    """A dataset's targets → what the loss takes."""
    output: TensorSpec
    measures: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    begin: Callable[[Servable], None] | None = None
    """Puts weights and statistics that are known already in the place of fresh ones."""
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What a checkpoint should hold besides, to go on from."""


@dataclass(frozen=True)
class Fitted:
    """A trained servable, with all that plots and figures are made of."""

    dataset: Dataset
    servable: Servable
    """In eval mode, on the CPU."""
    trained: Trained
    problem: Problem
    watched: str
    variants: tuple[str, ...] = ()
    """Backends of fewer bits that the job asks for."""

    @property
    def history(self) -> list[dict[str, float]]:
        return self.trained.history

    def curves(self, figure: str) -> dict[str, list[float]]:
        """`figure` (`loss`, `accuracy`) by epoch, for each part of the data that has it."""
        return {
            part: [epoch[f"{part}_{figure}"] for epoch in self.history]
            for part in ("train", "validation", "test")
            if f"{part}_{figure}" in self.history[0]
        }

    def answers(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """What the servable, as it will be served, says to these rows of the dataset; asked in
        batches, because a net may need many times the memory that its rows do."""
        size = at_once(self.dataset)
        parts = [self._answer(rows[start : start + size]) for start in range(0, len(rows), size)]
        return np.concatenate(parts)

    def _answer(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        given = inputs_of(self.dataset, rows).values()
        with torch.inference_mode():
            answer: Any = self.servable(*map(torch.from_numpy, given))
        return answer.numpy()


def at_once(dataset: Dataset) -> int:
    """How many of its rows a net is asked about at once, outside of training."""
    sequences = dataset.lengths is not None
    return max(1, ELEMENTS // row_width(dataset.inputs.shape, sequences=sequences))


def load_dataset(context: RunContext) -> Dataset:
    if context.dataset_file is not None:
        return uploads.load(context.dataset_file)
    if context.dataset not in data.BUILTIN:
        raise InvalidData(f"there is no dataset {context.dataset!r} for this pipeline")
    with context.one_by_one():
        return data.load(context.dataset, context.data_dir, context.report)


def fit(context: RunContext, params: TrainingParams, dataset: Dataset, problem: Problem) -> Fitted:
    """Train a fresh net on the dataset's training rows.

    Everything random (weights, validation rows, order, dropout) comes from `context.seed`.
    """
    seed_everything(context.seed)
    device = torch.device(context.device)
    train, validation = _divide(dataset, params, context.seed)
    servable = build(problem.architecture)
    _take_statistics(servable, dataset, train)
    initialize(servable.net, params.initialization)
    if problem.begin is not None:
        problem.begin(servable)
    servable.to(device)

    def rows(index: NDArray[np.int64]) -> Rows:
        """What stands before the net has nothing to learn, so it is done once for all epochs."""
        with torch.no_grad():
            inputs = servable.pre(torch.from_numpy(dataset.inputs[index]).to(device))
            targets = problem.prepare_targets(dataset.targets[index]).to(device)
            if isinstance(servable.post, Destandardize):  # the net learns what it has to undo
                targets = servable.post.inverse(targets)
        lengths = None if dataset.lengths is None else torch.from_numpy(dataset.lengths[index])
        return Rows(inputs, targets, None if lengths is None else lengths.to(device))

    held_out = {"test": rows(dataset.test)}
    if len(validation):
        held_out["validation"] = rows(validation)
    task = Fit(
        servable,
        servable.net,
        build_loss(problem.loss, params.batch_size).to(device),
        rows(train),
        held_out,
        problem.measures,
        watched="validation_loss" if len(validation) else "train_loss",
        about=_about(dataset, servable, params, context) | dict(problem.about),
    )
    trained = Trainer(task, params, context).run()
    variants = tuple(dict.fromkeys(f"onnxruntime-{bits}" for bits in params.variants))
    return Fitted(dataset, servable.cpu().eval(), trained, problem, task.watched, variants)


def _about(
    dataset: Dataset, servable: Servable, params: TrainingParams, context: RunContext
) -> dict[str, Any]:
    """What makes a checkpoint file understandable by itself."""
    return {
        "architecture": servable.architecture,
        "dataset": dataset.info.id,
        "dataset_sha256": dataset.sha256,
        "params": params.model_dump(mode="json"),
        "seed": context.seed,
    }


def outcome(fitted: Fitted, metrics: Mapping[str, float], **results: Any) -> Outcome:
    """The run's end: its figures, and the model to publish.

    `metrics` are the published model's, on rows that training never saw; `results` what else the
    job should tell.
    """
    trained, dataset = fitted.trained, fitted.dataset
    held_out = inputs_of(dataset, dataset.test[:HELD_OUT])
    signature = Signature(_takes(dataset), (fitted.problem.output,))
    # An embedding of ten numbers is not the probabilities of ten classes.
    classes = dataset.info.classes if fitted.problem.task in CLASSIFIERS else None
    model = TrainedModel(
        fitted.servable,
        signature,
        fitted.problem.task,
        None if classes is None else list(classes),
        dict(metrics),
        held_out,
        trained.checkpoint.path,
        _calibration(dataset) if fitted.variants else None,
        fitted.variants,
    )
    figures = {
        **metrics,
        "train_loss": trained.history[trained.kept_epoch - 1]["train_loss"],
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "kept_epoch": trained.kept_epoch,
        "watched": fitted.watched,
        "parameters": sum(p.numel() for p in fitted.servable.parameters()),
        "train_rows": len(dataset.train),
        "test_rows": len(dataset.test),
    }
    return Outcome({**figures, **results}, model, {"dataset_sha256": dataset.sha256})


def _calibration(dataset: Dataset) -> dict[str, NDArray[Any]]:
    """Training rows from all over, for what may be sorted by class."""
    count = min(CALIBRATION, len(dataset.train))
    return inputs_of(
        dataset, dataset.train[np.linspace(0, len(dataset.train) - 1, count, dtype=int)]
    )


def _divide(
    dataset: Dataset, params: TrainingParams, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The dataset's training rows → those to train on and those to judge epochs by."""
    fraction = params.validation_fraction
    if fraction is None:
        needed = params.early_stopping.patience > 0 or params.scheduler.name == "plateau"
        fraction = DEFAULT_VALIDATION if needed else 0.0
    own = derive(seed, "validation")
    if dataset.info.classes is None:
        kept, held = split(len(dataset.train), fraction, own)
    else:
        kept, held = stratified_split(dataset.targets[dataset.train], fraction, own)
    return dataset.train[kept], dataset.train[held]


def _takes(dataset: Dataset) -> tuple[TensorSpec, ...]:
    info = dataset.info
    first = TensorSpec("input", "FP32", (-1, *info.shape), info.features)
    return (first,) if dataset.lengths is None else (first, TensorSpec(LENGTHS, "INT64", (-1,)))


def inputs_of(dataset: Dataset, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Raw rows by the names of the servable's inputs."""
    inputs = {"input": dataset.inputs[rows]}
    return inputs if dataset.lengths is None else {**inputs, LENGTHS: dataset.lengths[rows]}


def _take_statistics(servable: Servable, dataset: Dataset, train: NDArray[np.int64]) -> None:
    """Mean and spread of the training rows alone: of each feature, each channel of pixels, each
    number of a sequence's steps; and of the target where it is learned standardised."""
    if isinstance(servable.pre, Standardize | Normalize):
        servable.pre.set(*_statistics(_measured(dataset, train)))
    if isinstance(servable.post, Destandardize):
        servable.post.set(*_statistics(dataset.targets[train]))


def _measured(dataset: Dataset, train: NDArray[np.int64]) -> NDArray[np.float32]:
    """The training rows, without the padding of sequences: (steps of all rows, numbers)."""
    inputs = dataset.inputs[train]
    if dataset.lengths is None:
        return inputs
    return inputs[np.arange(inputs.shape[1]) < dataset.lengths[train][:, None]]


def _statistics(values: NDArray[Any]) -> tuple[Tensor, Tensor]:
    mean, std = mean_and_std(values)
    return torch.from_numpy(mean), torch.from_numpy(std)


def mean_and_std(inputs: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of (n, features) or (n, channels, h, w), for each of the second dimension.

    In two passes over blocks of rows: all of MNIST as float64 would be 376 MB.
    """
    values = inputs.reshape(len(inputs), inputs.shape[1], -1)
    count = values.shape[0] * values.shape[2]
    blocks = np.array_split(values, 1 + len(values) // 4096)
    total, squares = np.zeros((2, inputs.shape[1]))
    for block in blocks:
        total += np.einsum("ncx->c", block, dtype=np.float64)
    mean = total / count
    for block in blocks:
        apart = block - mean[:, None]
        squares += np.einsum("ncx,ncx->c", apart, apart)
    return mean, np.sqrt(squares / count)
