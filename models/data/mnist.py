"""Handwritten digits: the tutorial's set for multi-class classification (section 7)."""

from __future__ import annotations

from models.data.base import DatasetInfo
from models.data.idx import IdxPictures

INFO = DatasetInfo(
    id="mnist",
    title="MNIST handwritten digits",
    kind="images",
    source="LeCun, Cortes and Burges: MNIST, downloaded by torchvision (11 MB) at first use",
    task="multiclass",
    bundled=False,
    rows=70_000,
    shape=(1, 28, 28),
    classes=tuple("0123456789"),
)
PICTURES = IdxPictures(INFO, "MNIST", "11 MB")
DATASET = PICTURES.builtin()
