"""Transfer learning (section 10.5): where a base comes from, and what is built on it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.backends.eager import rebuild
from models.data import DatasetInfo
from models.errors import BaseUnavailable, ExportFailed, InvalidData
from models.run import Reporter
from models.servable import Servable, build
from models.signature import Signature
from models.transfer import pretrained

SIGNATURE = "signature.json"


@dataclass(frozen=True)
class Base:
    """A trained net and the pre-processing that it was trained with. Goes into checkpoints."""

    source: str
    """Where it comes from, for a person."""
    pre: dict[str, Any]
    net: dict[str, Any]
    """Descriptions, as in a servable's architecture."""
    state: dict[str, Tensor]
    """Of the servable: `pre.…` and `net.…`."""
    test_accuracy: float | None = None
    """On its own task, where it was trained in this job."""

    @classmethod
    def of(cls, source: str, servable: Servable, test_accuracy: float | None = None) -> Base:
        parts = servable.architecture
        return cls(source, parts["pre"], parts["net"], servable.state_dict(), test_accuracy)


def from_version(directory: Path, source: str, info: DatasetInfo) -> Base:
    """A version of the registry.

    Raises `InvalidData` where it takes no rows like the dataset's, `BaseUnavailable` where its
    files are gone.
    """
    try:
        signature = Signature.from_json(json.loads((directory / SIGNATURE).read_bytes()))
        servable = rebuild(directory)
    except (OSError, ExportFailed) as error:
        raise BaseUnavailable(f"the files of {source} cannot be read; was it deleted?") from error
    first, *more = signature.inputs
    if more:
        raise InvalidData(f"expected a base with one input, got {source} with several")
    same_shape(source, first.row_shape, info)
    return Base.of(source, servable)


def same_shape(source: str, shape: Sequence[int], info: DatasetInfo) -> None:
    """Raises `InvalidData` where a base for rows of `shape` does not fit the dataset."""
    if tuple(shape) != info.shape:
        raise InvalidData(
            f"expected a base for rows of shape {list(info.shape)}, as the dataset {info.id} has "
            f"them, got {source} for {list(shape)}"
        )


def from_imagenet(data_dir: Path, report: Reporter, info: DatasetInfo, side: int) -> Base:
    """ResNet-18 for the dataset's channels. Raises `DatasetUnavailable` without its weights."""
    channels = info.shape[0]
    trained = pretrained.resnet18(data_dir, report, channels=channels, side=side)
    net = {"name": "resnet18", "channels": channels, "outputs": pretrained.CLASSES, "side": side}
    state = {f"net.{name}": value for name, value in trained.state_dict().items()}
    mean, std = pretrained.statistics(channels)
    state |= {"pre.mean": mean[:, None, None], "pre.std": std[:, None, None]}
    return Base("ImageNet", {"name": "normalize", "channels": channels}, net, state)


def architecture(
    pre: Mapping[str, Any], net: Mapping[str, Any], head: Mapping[str, Any]
) -> dict[str, Any]:
    """The base's parts and a new `head`: `outputs`, `hidden`, …, as `models.nets.transfer` has
    them. It holds the base's description, so that it rebuilds the whole from sizes alone."""
    return {
        "pre": dict(pre),
        "net": {"name": "transfer", "base": dict(net), **head},
        "post": {"name": "softmax"},
    }


def take_over(base: Base, servable: Servable) -> None:
    """Put the base's weights and statistics into a fresh servable of `architecture`."""
    known = {_inside(name): value for name, value in base.state.items()}
    wanted = servable.state_dict()
    missing = [name for name in wanted if not name.startswith("net.head.") and name not in known]
    if missing:
        raise InvalidData(f"the base {base.source} has no weights {missing[0]}")
    servable.load_state_dict({name: known.get(name, wanted[name]) for name in wanted})


def _inside(name: str) -> str:
    """A name in the base's servable → in the one that is built on it."""
    return f"net.base.{name.removeprefix('net.')}" if name.startswith("net.") else name


def check(parts: Mapping[str, Any], info: DatasetInfo) -> Servable:
    """The servable with fresh weights, tried on made-up rows before anything is trained.

    Raises `InvalidData` where the base does not end in the linear layer that the head replaces.
    """
    try:
        servable = build(parts).eval()
        with torch.inference_mode():
            answer: Any = servable(torch.zeros(2, *info.shape))
    except (ExportFailed, RuntimeError, TypeError) as error:  # TypeError: it takes more than one
        raise InvalidData(
            f"expected a base that ends in a linear layer and takes rows of shape "
            f"{list(info.shape)}, got {parts['net']['base']['name']}"
        ) from error
    if answer.shape != (2, parts["net"]["outputs"]):
        raise InvalidData(
            f"expected a base that gives a row of features, got {parts['net']['base']['name']}"
        )
    return servable


def trainable(servable: Servable) -> int:
    """How many parameters training changes."""
    return sum(p.numel() for p in servable.parameters() if p.requires_grad)


def base_net(name: str, info: DatasetInfo) -> dict[str, Any]:
    """A small net for images, to train a base with."""
    channels, height, width = _sides(info)
    outputs = len(info.classes or ())
    match name:
        case "mlp":
            pixels = channels * height * width
            return {"name": name, "inputs": pixels, "outputs": outputs, "hidden": [128, 64]}
        case "cnn":
            sizes = {"channels": channels, "height": height, "width": width}
            return {"name": name, **sizes, "outputs": outputs}
        case _:
            return {"name": name, "channels": channels, "outputs": outputs}


def _sides(info: DatasetInfo) -> Sequence[int]:
    if len(info.shape) != 3:
        raise InvalidData(f"expected images, got rows of shape {list(info.shape)}")
    return info.shape
