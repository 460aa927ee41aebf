from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import data
from models.data import Dataset
from tests.support.runs import Recorder


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return data.load("shapes", tmp_path_factory.mktemp("shapes"), Recorder())


def dice(said: np.ndarray, true: np.ndarray) -> float:
    both, sizes = ((value).sum(axis=(1, 2, 3)) for value in (said & true, said * 1 + true * 1))
    return float((2 * both / sizes.clip(1)).mean())


def test_masks_are_of_zeros_and_ones_and_of_every_picture(shapes: Dataset) -> None:
    assert shapes.targets.shape == shapes.inputs.shape
    assert set(np.unique(shapes.targets)) == {0.0, 1.0}
    share = shapes.targets.mean(axis=(1, 2, 3))
    assert 0.01 < share.min() < share.max() < 0.6


def test_pixels_survive_a_picture_of_8_bits(shapes: Dataset) -> None:
    levels = (shapes.inputs * 255).round()
    assert 0 == levels.min() < levels.max() == 255
    assert (levels.astype(np.uint8).astype(np.float32) / np.float32(255) == shapes.inputs).all()


def test_a_shape_differs_from_what_is_around_it(shapes: Dataset) -> None:
    """More than noise does: along the outlines neighbours differ more than elsewhere."""
    apart = np.abs(np.diff(shapes.inputs, axis=3))
    outline = np.diff(shapes.targets, axis=3) != 0
    assert apart[outline].mean() > 2 * apart[~outline].mean()


def test_no_threshold_finds_them(shapes: Dataset) -> None:
    pictures, true = shapes.inputs[shapes.test], shapes.targets[shapes.test] > 0.5
    centred = pictures - np.median(pictures, axis=(2, 3), keepdims=True)
    for values in (pictures, -pictures, np.abs(centred)):
        cuts = np.linspace(values.min(), values.max(), 40)
        assert max(dice(values > cut, true) for cut in cuts) < 0.7


def test_its_preview_shows_the_mask(tmp_path: Path, shapes: Dataset) -> None:
    rows = data.preview("shapes", tmp_path, rows=2)["rows"]
    assert rows[1]["mask"] == shapes.targets[1].tolist()
