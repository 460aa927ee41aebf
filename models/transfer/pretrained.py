"""ImageNet weights of ResNet-18 as torchvision's file, fetched by it where there is a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.data.download import downloaded
from models.errors import DatasetUnavailable
from models.nets.resnet import ResNet18
from models.run import Reporter

FOLDER = "weights"
"""Of the directory that downloads are kept in."""
FILE = "resnet18-f37072fd.pth"
CLASSES = 1000
"""Of ImageNet, which the file's last layer tells apart."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's channels: the weights expect pixels that are normalised by them."""

FETCH = (
    "from torchvision.models import ResNet18_Weights; import sys; "
    "ResNet18_Weights.IMAGENET1K_V1.get_state_dict("
    "model_dir=sys.argv[1], progress=False, check_hash=True)"
)


def resnet18(data_dir: Path, report: Reporter, *, channels: int, side: int) -> ResNet18:
    """The net with ImageNet's weights and its 1000 classes, for pictures of so many channels.

    Raises `DatasetUnavailable`, saying how to provide the file.
    """
    file = data_dir / FOLDER / FILE
    if not file.is_file():
        _fetch(file, data_dir, report)
    net = ResNet18(channels, CLASSES, side)
    try:
        # Tensors only: the file comes from elsewhere, and a pickle may hold any program.
        state: Any = torch.load(file, map_location="cpu", weights_only=True)
        net.resnet.load_state_dict(state, strict=True)
    except Exception as error:  # zip, pickle and torch have a dozen ways to refuse a file
        raise DatasetUnavailable(_advice("the ImageNet weights are damaged")) from error
    if not all(bool(value.isfinite().all()) for value in state.values()):
        raise DatasetUnavailable(_advice("the ImageNet weights are not finite"))
    return net


def statistics(channels: int) -> tuple[Tensor, Tensor]:
    """ImageNet's mean and standard deviation; for grey pictures, the means of the three."""
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    return (mean, std) if channels == len(MEAN) else (mean.mean()[None], std.mean()[None])


def _fetch(file: Path, data_dir: Path, report: Reporter) -> None:
    report.log("downloading ImageNet weights of ResNet-18 (45 MB)")
    with downloaded(FETCH, data_dir, report) as directory:
        if directory is None or not (directory / FILE).is_file():
            raise DatasetUnavailable(_advice("the ImageNet weights could not be downloaded"))
        file.parent.mkdir(parents=True, exist_ok=True)
        (directory / FILE).replace(file)
    report.log("the ImageNet weights are downloaded")


def _advice(what: str) -> str:
    return (
        f"{what}. Run the job where the worker has internet access, or put torchvision's file "
        f"{FILE} into datasets/{FOLDER} of the worker's data directory, or name a version of the "
        "registry as the base"
    )
