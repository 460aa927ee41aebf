"""The trainings of transfer learning: the base where none is given, from scratch, transferred."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from models import data, metrics, supervised
from models.data import Dataset, DatasetInfo
from models.errors import BaseUnavailable
from models.inspection.layers import find
from models.params import MulticlassLoss, TrainingParams
from models.phases import Phases
from models.run import RunContext
from models.servable import Servable
from models.signature import TensorSpec
from models.transfer import bases
from models.transfer.bases import Base

if TYPE_CHECKING:
    from models.pipelines.transfer_learning import TransferLearningParams

BASE_DATASET = "digits-0-4"
IMAGENET = "resnet18"
"""The base that is no version in the registry."""
BASE, SCRATCH, TRANSFER = "base", "scratch", "transfer"


@dataclass(frozen=True)
class Transferred:
    """What a job of transfer learning has made."""

    base: Base
    fitted: supervised.Fitted
    scratch: Mapping[str, Any] | None
    """The figures of training from scratch; None where it was not asked for."""
    feature_layer: str
    trainable: int
    """Parameters that the transfer trained."""


def run(context: RunContext, params: TransferLearningParams) -> Transferred:
    dataset = _fewer(supervised.load_dataset(context), params.rows_per_class)
    phases = Phases(context, _plan(params, dataset), params.epochs)
    base = _given_base(context, params, dataset.info)
    if base is None and phases.pending(BASE):
        phases.carried[BASE] = vars(_train_base(phases, params, dataset.info))
    base = base or Base(**phases.carried[BASE])
    outline = bases.check(_parts(base, params, dataset.info), dataset.info)
    layer = _feature_layer(outline, params.feature_layer)
    if phases.pending(SCRATCH):
        phases.carried[SCRATCH] = _from_scratch(phases, base, params, dataset)
    fitted = _transfer(phases, base, params, dataset)
    count = bases.trainable(outline)
    return Transferred(base, fitted, phases.carried.get(SCRATCH), layer, count)


def _plan(params: TransferLearningParams, dataset: Dataset) -> dict[str, int]:
    def steps(rows: int, epochs: int) -> int:
        return epochs * -(-rows // params.batch_size)

    each = steps(len(dataset.train), params.epochs)
    plan = {} if params.base else {BASE: steps(data.BUILTIN[BASE_DATASET].rows, params.base_epochs)}
    return plan | ({SCRATCH: each} if params.compare_scratch else {}) | {TRANSFER: each}


def _fewer(dataset: Dataset, per_class: int | None) -> Dataset:
    if per_class is None:
        return dataset
    targets = dataset.targets[dataset.train]
    chosen = [np.flatnonzero(targets == code)[:per_class] for code in np.unique(targets)]
    return replace(dataset, train=dataset.train[np.sort(np.concatenate(chosen))])


def _given_base(
    context: RunContext, params: TransferLearningParams, info: DatasetInfo
) -> Base | None:
    if params.base is None:
        return None
    if params.base == IMAGENET:
        side = params.image_side
        with context.one_by_one():
            return bases.from_imagenet(context.data_dir, context.report, info, side)
    if context.base is None:
        raise BaseUnavailable(f"there are no files of {params.base} on this worker")
    return bases.from_version(context.base, params.base, info)


def _train_base(phases: Phases, params: TransferLearningParams, wanted: DatasetInfo) -> Base:
    """Raises `InvalidData` before it trains, where it would not fit the job's dataset."""
    context = phases.context(BASE)
    dataset = data.load(BASE_DATASET, context.data_dir, context.report)
    bases.same_shape(f"the base that is trained on {BASE_DATASET}", dataset.info.shape, wanted)
    problem = _problem(
        {
            "pre": {"name": "normalize", "channels": dataset.info.shape[0]},
            "net": bases.base_net(params.base_net, dataset.info),
            "post": {"name": "softmax"},
        },
        params.loss,
        dataset.info,
        about=phases.about(BASE),
    )
    own = TrainingParams(epochs=params.base_epochs, batch_size=params.batch_size)
    fitted = supervised.fit(context, own, dataset, problem)
    return Base.of(f"{BASE_DATASET}, trained in this job", fitted.servable, accuracy(fitted))


def _from_scratch(
    phases: Phases, base: Base, params: TransferLearningParams, dataset: Dataset
) -> dict[str, Any]:
    parts = _parts(base, params, dataset.info, everything=True)
    problem = _problem(parts, params.loss, dataset.info, about=phases.about(SCRATCH))
    fitted = supervised.fit(phases.context(SCRATCH), params, dataset, problem)
    return {
        "history": fitted.history,
        "test_accuracy": accuracy(fitted),
        "trainable_parameters": bases.trainable(fitted.servable),
    }


def _transfer(
    phases: Phases, base: Base, params: TransferLearningParams, dataset: Dataset
) -> supervised.Fitted:
    problem = _problem(
        _parts(base, params, dataset.info),
        params.loss,
        dataset.info,
        about=phases.about(TRANSFER),
    )
    begun = replace(problem, begin=partial(bases.take_over, base))
    return supervised.fit(phases.context(TRANSFER), params, dataset, begun)


def _parts(
    base: Base, params: TransferLearningParams, info: DatasetInfo, *, everything: bool = False
) -> dict[str, Any]:
    head = {
        "outputs": len(info.classes or ()),
        "hidden": params.hidden,
        "activation": params.activation,
        "dropout": params.dropout,
        "unfreeze_layers": None if everything else params.unfreeze_layers,
    }
    return bases.architecture(base.pre, base.net, head)


def _problem(
    parts: Mapping[str, Any], loss: MulticlassLoss, info: DatasetInfo, *, about: Mapping[str, Any]
) -> supervised.Problem:
    return supervised.Problem(
        task="multiclass",
        architecture=parts,
        loss=loss,
        prepare_targets=torch.from_numpy,
        output=TensorSpec("probabilities", "FP32", (-1, len(info.classes or ()))),
        measures={"accuracy": metrics.right_classes},
        about=about,
    )


def accuracy(fitted: supervised.Fitted) -> float:
    """The share of the test rows that the servable gets right."""
    dataset = fitted.dataset
    predicted = fitted.answers(dataset.test).argmax(axis=1)
    return float((predicted == dataset.targets[dataset.test]).mean())


def _feature_layer(outline: Servable, name: str | None) -> str:
    """The layer to draw. Raises `LayerNotFound` for a name that the model does not have."""
    if name is not None:
        find(outline, name)
        return name
    convolutions = (
        name for name, module in outline.named_modules() if isinstance(module, nn.Conv2d)
    )
    return next(convolutions, "net.base")
