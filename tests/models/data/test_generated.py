"""The bundled and generated datasets against where they come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
    make_moons,
)
from sklearn.model_selection import train_test_split

from models import data
from models.data.digits import resize_bilinear
from models.data.waves import wave
from tests.support.runs import Recorder


def test_digits_are_scikit_learns_enlarged_as_torch_would(tmp_path: Path) -> None:
    dataset = data.load("digits", tmp_path, Recorder())
    original = load_digits()
    assert dataset.targets.tolist() == original.target.tolist()
    assert dataset.inputs.min() == 0.0
    assert dataset.inputs.max() == 1.0
    small = torch.from_numpy(original.images / 16).float()[:, None]
    enlarged = torch.nn.functional.interpolate(small, size=28, mode="bilinear", align_corners=False)
    assert np.abs(dataset.inputs - enlarged.numpy()).max() < 1e-6


def test_resizing_keeps_what_is_constant_and_what_has_the_size_already() -> None:
    flat = np.full((1, 5, 3), 0.25, np.float32)
    assert (resize_bilinear(flat, 7) == 0.25).all()
    random = np.random.default_rng(0).random((2, 6, 6)).astype(np.float32)
    assert (resize_bilinear(random, 6) == random).all()


def test_moons_are_the_tutorials_points_and_split(tmp_path: Path) -> None:
    dataset = data.load("moons", tmp_path, Recorder())
    points, labels = make_moons(n_samples=1000, noise=0.2, random_state=42)
    assert (dataset.inputs == points.astype(np.float32)).all()
    assert (dataset.targets == labels).all()
    train, test = train_test_split(np.arange(1000), test_size=0.2, random_state=42)
    assert dataset.train.tolist() == sorted(train)
    assert dataset.test.tolist() == sorted(test)


def test_the_linear_data_are_its_weights_and_noise(tmp_path: Path) -> None:
    dataset = data.load("synthetic-linear", tmp_path, Recorder())
    assert (len(dataset.train), len(dataset.test)) == (1000, 200)
    noise = dataset.targets - dataset.inputs @ dataset.truth["weights"]
    assert abs(noise.std() - 0.1) < 0.01
    assert abs(noise.mean()) < 0.01


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("diabetes", partial(load_diabetes, scaled=False)),
        ("breast-cancer", load_breast_cancer),
        ("wine", load_wine),
    ],
)
def test_tables_are_scikit_learns(name: str, read: Callable[[], Any], tmp_path: Path) -> None:
    made, dataset = read(), data.load(name, tmp_path, Recorder())
    assert (dataset.inputs == made.data.astype(np.float32)).all()
    assert (dataset.targets.ravel() == made.target.astype(dataset.targets.dtype)).all()
    assert dataset.info.features == tuple(made.feature_names)
    if dataset.info.classes is not None:
        assert dataset.info.classes == tuple(made.target_names)


def test_waves_are_waves_of_their_class(tmp_path: Path) -> None:
    """Of all periods and phases of the four shapes, the best fit is one of the right shape, and
    leaves little."""
    dataset = data.load("waves", tmp_path, Recorder())
    assert dataset.lengths is not None
    assert (dataset.lengths.min(), dataset.lengths.max()) == (20, 60)
    padding = np.arange(60) >= dataset.lengths[:, None]
    assert (dataset.inputs[padding] == 0).all()
    periods, phases = np.meshgrid(np.arange(8, 20, 0.1), np.arange(0, 1, 0.02))
    for row in range(20):
        steps = dataset.inputs[row, : dataset.lengths[row], 0]
        turns = np.arange(len(steps)) / periods[..., None] + phases[..., None]
        fits = [
            np.max((w @ steps).clip(min=0) ** 2 / (w**2).sum(-1))
            for w in (wave(k, turns) for k in range(4))
        ]
        assert np.argmax(fits) == dataset.targets[row]
        assert max(fits) > 0.9 * (steps**2).sum()


def test_rising_and_falling_waves_have_the_same_values() -> None:
    turns = np.linspace(0, 1, 64, endpoint=False)
    rising, falling = wave(2, turns), wave(3, turns)
    assert rising == pytest.approx(-falling)
    assert (np.diff(rising) > 0).all()
