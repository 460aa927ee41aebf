"""The bundled and generated datasets against where they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits, make_moons
from sklearn.model_selection import train_test_split

from models import data
from models.data.digits import resize_bilinear
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
