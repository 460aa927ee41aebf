"""Step 4 of the demo: the same images through every backend, by every way in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import orjson
from rich.table import Table

from torchkiln.client import Client, tensor
from torchkiln.demo.png import grayscale_png
from torchkiln.errors import TorchkilnError
from torchkiln.types import ModelVersion, TensorSpec

WAYS = ("JSON", "PNG", "/v2")
SHOWN = 10
TOLERANCE = 1e-4
"""Of a probability, between backends and between ways in; certificates are stricter."""
LEAST_ACCURACY = 0.8
"""On so few images; far from a guess, far from what the test set says."""

Image = list[list[list[float]]]
"""(1, 28, 28), in [0, 1]."""
Matrix = list[list[float]]


@dataclass(frozen=True)
class HeldOut:
    """Images that training never saw, and what they show."""

    images: list[Image]
    truth: list[str]

    @classmethod
    def read(cls, file: Path, classes: Sequence[str]) -> HeldOut:
        """`{"inputs": […], "labels": […]}`; pixels are rounded to what a PNG can hold."""
        content = orjson.loads(file.read_bytes())
        images = cast(list[Image], content["inputs"])
        labels = cast(list[int | str], content["labels"])
        return cls(
            [
                [[[round(255 * pixel) / 255 for pixel in row] for row in plane] for plane in image]
                for image in images
            ],
            [classes[label] if isinstance(label, int) else label for label in labels],
        )

    def png(self, index: int) -> bytes:
        plane = self.images[index][0]
        return grayscale_png([[round(255 * pixel) for pixel in row] for row in plane])


class Comparison:
    """Asks for probabilities by every way in, and holds them against each other."""

    def __init__(self, client: Client, version: ModelVersion, held_out: HeldOut) -> None:
        self._client = client
        self._version = version
        self._held_out = held_out
        self._shown = min(SHOWN, len(held_out.images))
        self._backends = [*version["backends"], "auto"]
        self._answers: dict[tuple[str, str], Matrix] = {}
        self.served_by: dict[str, str] = {}
        """Backend asked for → the one that answered."""

    def ask(self) -> None:
        """Every backend: all images as JSON and by /v2, the shown ones as PNG."""
        images = len(self._held_out.images)
        for backend in self._backends:
            self._keep(backend, "JSON", self._by_json(backend), images)
            self._keep(backend, "PNG", self._by_png(backend), self._shown)
            self._keep(backend, "/v2", self._by_v2(backend), images)

    def _keep(self, backend: str, way: str, answer: Matrix, images: int) -> None:
        if len(answer) != images:
            raise TorchkilnError(
                f"{backend} by {way} answered {len(answer)} rows for {images} images"
            )
        self._answers[backend, way] = answer

    def check(self) -> float:
        """→ the largest difference between any two answers for one image.

        Raises `TorchkilnError` if it is beyond `TOLERANCE`, or the answers make no sense.
        """
        reference = self._answers["eager", "JSON"]
        worst = 0.0
        for (backend, way), answer in self._answers.items():
            error = max(map(_difference, answer, reference))  # as many rows as the answer has
            worst = max(worst, error)
            if not error <= TOLERANCE:
                raise TorchkilnError(
                    f"{backend} by {way} differs from eager by {error:.2g}, more than {TOLERANCE:g}"
                )
        if self.accuracy() < LEAST_ACCURACY:
            raise TorchkilnError(f"only {self.accuracy():.1%} of the held-out images are right")
        return worst

    def accuracy(self) -> float:
        """Of the served default, over all held-out images."""
        predicted = map(self._label, self._answers["auto", "JSON"])
        hits = [one == true for one, true in zip(predicted, self._held_out.truth, strict=True)]
        return sum(hits) / len(hits)

    def table(self) -> Table:
        """True and predicted class of the shown images, by backend and way in."""
        table = Table(header_style="bold", box=None, pad_edge=False)
        for column in ("image", "true", *self._backends, "probability", ""):
            table.add_column(column)
        for index in range(self._shown):
            truth = self._held_out.truth[index]
            cells = [self._cell(backend, index) for backend in self._backends]
            row = self._answers["auto", "JSON"][index]
            mark = "[green]✓[/]" if self._label(row) == truth else "[red]✗[/]"
            table.add_row(f"#{index}", truth, *cells, f"{max(row):.4f}", mark)
        return table

    def _cell(self, backend: str, index: int) -> str:
        """The class, once if all ways in agree."""
        labels = [self._label(self._answers[backend, way][index]) for way in WAYS]
        return labels[0] if len(set(labels)) == 1 else " / ".join(labels)

    def _label(self, probabilities: Sequence[float]) -> str:
        place = max(range(len(probabilities)), key=probabilities.__getitem__)
        classes = self._version["classes"]
        return classes[place] if classes else str(place)

    def _by_json(self, backend: str) -> Matrix:
        answer = self._client.predict(
            self._version["name"],
            self._held_out.images,
            version=self._version["version"],
            backend=backend,
        )
        self.served_by[backend] = answer["backend"]
        return _probabilities(answer.get("probabilities"))

    def _by_png(self, backend: str) -> Matrix:
        return [
            _probabilities(
                self._client.predict_image(
                    self._version["name"],
                    self._held_out.png(index),
                    version=self._version["version"],
                    backend=backend,
                ).get("probabilities")
            )[0]
            for index in range(self._shown)
        ]

    def _by_v2(self, backend: str) -> Matrix:
        spec: TensorSpec = self._version["signature"]["inputs"][0]
        answer = self._client.infer(
            self._version["name"],
            [tensor(spec["name"], spec["datatype"], self._held_out.images)],
            version=self._version["version"],
            backend=backend,
        )
        output = answer["outputs"][0]
        width = output["shape"][-1]
        data = cast(list[float], output["data"])
        return [data[start : start + width] for start in range(0, len(data), width)]


def _probabilities(found: Matrix | None) -> Matrix:
    if found is None:
        raise TorchkilnError("the prediction came without probabilities")
    return found


def _difference(one: Sequence[float], other: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))
