"""Articles of clothing, in MNIST's format and size but harder to tell apart."""

from __future__ import annotations

from models.data.base import DatasetInfo
from models.data.idx import IdxPictures

INFO = DatasetInfo(
    id="fashion-mnist",
    title="Fashion-MNIST articles of clothing",
    kind="images",
    source="Zalando Research: Fashion-MNIST, downloaded by torchvision (31 MB) at first use",
    task="multiclass",
    bundled=False,
    rows=70_000,
    shape=(1, 28, 28),
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
)
PICTURES = IdxPictures(INFO, "FashionMNIST", "31 MB")
DATASET = PICTURES.builtin()
