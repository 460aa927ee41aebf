"""The parts of the demo that need no stack."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image
from rich.console import Console

from tests.torchkiln.fakeservice import Answer, FakeService, Reply, Request, reply
from tests.torchkiln.samples import version
from torchkiln import Client, TorchkilnError
from torchkiln.demo.png import grayscale_png
from torchkiln.demo.predictions import Comparison, HeldOut
from torchkiln.demo.stack import MARKER, empty
from torchkiln.errors import CannotRun
from torchkiln.supervisor.lock import DataDirLock
from torchkiln.types import ModelVersion

ROWS = 4
RIGHT = [[0.9, 0.1], [0.2, 0.8]]
"""Probabilities for an image of class zero, and of class one."""


def test_png_is_read_back_as_it_was() -> None:
    pixels = [[0, 1, 127], [128, 254, 255]]
    with Image.open(io.BytesIO(grayscale_png(pixels))) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", (3, 2))
        assert list(image.tobytes()) == [value for row in pixels for value in row]


def test_demo_never_empties_what_it_has_not_made(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CannotRun, match="not from a demo"):
        empty(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_demo_begins_with_a_fresh_directory(tmp_path: Path) -> None:
    empty(tmp_path / "new")
    (tmp_path / "new/logs").mkdir()
    (tmp_path / "new/logs/api.log").touch()
    (tmp_path / "new/torchkiln.db").touch()
    empty(tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == [MARKER]


def test_demo_does_not_empty_what_is_in_use(tmp_path: Path) -> None:
    empty(tmp_path)
    (tmp_path / "torchkiln.db").touch()
    lock = DataDirLock(tmp_path)
    lock.acquire()
    with pytest.raises(CannotRun, match="already runs"):
        empty(tmp_path)
    assert (tmp_path / "torchkiln.db").exists()
    lock.release()


@pytest.fixture
def held_out(tmp_path: Path) -> HeldOut:
    """Images whose first pixel is their class."""
    images = [[[[float(index % 2), 0.5], [0.0, 0.25]]] for index in range(ROWS)]
    file = tmp_path / "heldout.json"
    file.write_text(json.dumps({"inputs": images, "labels": [index % 2 for index in range(ROWS)]}))
    return HeldOut.read(file, ["zero", "one"])


@pytest.fixture
def compare(service: FakeService, client: Client, held_out: HeldOut) -> Callable[..., Comparison]:
    """A comparison over a service that knows the classes; `also` replaces some of its answers."""

    def made(**also: Callable[[Request], list[list[float]]]) -> Comparison:
        by_way = {"json": by_json, "png": by_png, "v2": by_v2} | also
        answers: dict[str, Answer] = {
            "/v1/models/digits@3/predict": lambda request: predict_reply(
                request, by_way["json" if request.body.startswith(b"{") else "png"](request)
            ),
            "/v2/models/digits/versions/3/infer": lambda request: infer_reply(
                by_way["v2"](request)
            ),
        }
        service.answers |= answers
        return Comparison(client, cast(ModelVersion, version()), held_out)

    return made


def predict_reply(request: Request, probabilities: list[list[float]]) -> Reply:
    backend = request.path.rpartition("=")[2]
    answered = "onnxruntime" if backend == "auto" else backend
    return reply({"backend": answered, "outputs": probabilities, "probabilities": probabilities})


def infer_reply(probabilities: list[list[float]]) -> Reply:
    flat = [value for row in probabilities for value in row]
    output = {"name": "p", "datatype": "FP32", "shape": [len(probabilities), 2], "data": flat}
    return reply({"model_name": "digits", "outputs": [output]})


def by_json(request: Request) -> list[list[float]]:
    return [RIGHT[round(image[0][0][0])] for image in request.json()["inputs"]]


def by_png(request: Request) -> list[list[float]]:
    with Image.open(io.BytesIO(request.body)) as image:
        assert list(image.tobytes())[1:] == [128, 0, 64]
        return [RIGHT[image.tobytes()[0] // 255]]


def by_v2(request: Request) -> list[list[float]]:
    tensor: dict[str, Any] = request.json()["inputs"][0]
    assert tensor["shape"] == [ROWS, 1, 2, 2]
    return [RIGHT[round(first)] for first in tensor["data"][::4]]


def test_backends_that_agree(compare: Callable[..., Comparison]) -> None:
    comparison = compare()
    comparison.ask()
    assert comparison.check() == 0.0
    assert comparison.accuracy() == 1.0
    assert comparison.served_by["auto"] == "onnxruntime"
    screen = io.StringIO()
    Console(file=screen, width=120).print(comparison.table())
    assert screen.getvalue().count("✓") == ROWS


def test_difference_between_backends_is_an_error(compare: Callable[..., Comparison]) -> None:
    def differs(request: Request) -> list[list[float]]:
        answer = by_json(request)
        return [[0.901, 0.099], *answer[1:]] if "onnxruntime" in request.path else answer

    comparison = compare(json=differs)
    comparison.ask()
    with pytest.raises(TorchkilnError, match=r"onnxruntime by JSON differs from eager by 0\.001"):
        comparison.check()


def test_not_a_number_is_an_error(compare: Callable[..., Comparison]) -> None:
    def infinite(request: Request) -> list[list[float]]:
        return [*by_v2(request)[1:], [1e999, 0.0]]

    comparison = compare(v2=infinite)
    with pytest.raises(TorchkilnError):
        comparison.ask()


def test_missing_rows_are_an_error(compare: Callable[..., Comparison]) -> None:
    def short(request: Request) -> list[list[float]]:
        return by_v2(request)[1:]

    comparison = compare(v2=short)
    with pytest.raises(TorchkilnError, match="eager by /v2 answered 3 rows for 4 images"):
        comparison.ask()


def test_answers_that_agree_and_are_wrong_are_an_error(compare: Callable[..., Comparison]) -> None:
    def wrong(answer: Callable[[Request], list[list[float]]]) -> Callable[[Request], Any]:
        return lambda request: [row[::-1] for row in answer(request)]

    comparison = compare(json=wrong(by_json), png=wrong(by_png), v2=wrong(by_v2))
    comparison.ask()
    with pytest.raises(TorchkilnError, match=r"only 0\.0% of the held-out images"):
        comparison.check()
