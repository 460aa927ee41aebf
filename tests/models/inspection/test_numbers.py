"""Looking into a model, against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from models.errors import CannotInspect, LayerNotFound
from models.inspection import activations, features, gradients, summary
from models.inspection.layers import listed
from models.rows import synthetic
from tests.support.inspected import ONES, Rows, by_hand, layer, row_of, subject


def test_activations_are_those_worked_out_by_hand() -> None:
    answer = activations.activations(by_hand(), ONES)
    assert [one["name"] for one in answer["layers"]] == ["pre", "net.0", "net.1", "post"]
    assert layer(answer, "net.0") == {
        "name": "net.0",
        "type": "Linear",
        "calls": 1,
        "shape": [1, 2],
        "mean": 1.25,
        "std": 2.25,
        "min": -1.0,
        "max": 3.5,
        "zero_share": 0.0,
    }
    assert layer(answer, "net.1")["zero_share"] == 0.5


def test_gradients_are_those_worked_out_by_hand() -> None:
    """The mean of two outputs, one of them silenced: 1/2 by each output, and [1/2, 0] before."""
    answer = gradients.gradients(by_hand(), ONES)
    assert answer["of"] == {"output": "answer", "class": None, "value": 1.75}
    assert layer(answer, "net.1")["norm"] == pytest.approx(math.sqrt(0.5))
    before = layer(answer, "net.0")
    assert (before["norm"], before["mean"], before["max_abs"]) == (0.5, 0.25, 0.5)
    weight, bias = answer["parameters"]
    assert (weight["name"], weight["shape"], weight["trainable"]) == ("net.0.weight", [2, 2], True)
    assert weight["norm"] == pytest.approx(math.sqrt(0.5))  # [[1/2, 1/2], [0, 0]]
    assert (bias["norm"], bias["std"]) == (0.5, 0.25)
    # By the input it is W's first row, halved: [1/2, 1].
    assert layer(answer, "pre")["norm"] == pytest.approx(math.sqrt(1.25))


def test_a_class_is_the_most_probable_or_the_one_that_is_named() -> None:
    made = by_hand(classes=["cat", "dog"])
    assert gradients.gradients(made, ONES)["of"] == {
        "output": "answer",
        "class": "cat",
        "value": 3.5,
    }
    dog = gradients.gradients(made, ONES, target="dog")
    assert (dog["of"]["class"], layer(dog, "net.1")["norm"]) == ("dog", 1.0)
    assert layer(dog, "net.0")["norm"] == 0.0
    with pytest.raises(CannotInspect, match=r"expected one of the classes \(cat, dog\), got 'cow'"):
        gradients.gradients(made, ONES, target="cow")
    with pytest.raises(CannotInspect, match="has no classes, got 'dog'"):
        gradients.gradients(by_hand(), ONES, target="dog")


def test_a_map_of_classes_is_scored_over_all_its_places() -> None:
    made = subject(nn.Conv2d(1, 2, 1), (1, 4, 4), post=nn.Softmax(1), classes=["back", "front"])
    row = row_of(made)
    answer = gradients.gradients(made, row, target="front")
    expected = made.model(torch.from_numpy(row["features"]))[:, 1].mean()
    assert answer["of"]["value"] == pytest.approx(expected.item())
    assert layer(answer, "post")["shape"] == [1, 2, 4, 4]
    assert layer(answer, "post")["norm"] == pytest.approx(1 / 4)  # 16 places of 1/16


def test_features_are_the_layers_output_flattened_row_by_row() -> None:
    rows: Rows = {"features": np.array([[1, 1], [2, 0]], np.float32)}
    answer = features.features(by_hand(), rows, "net.0")
    assert (answer["layer"], answer["shape"]) == ("net.0", [2, 2])
    assert answer["features"].tolist() == [[3.5, -1.0], [2.5, 6.0]]
    assert features.features(by_hand(), rows, "net")["features"].tolist() == [[3.5, 0], [2.5, 6]]


def test_the_summary_counts_each_parameter_once() -> None:
    tied = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    tied[2].weight = tied[0].weight
    for parameter in tied[2].parameters():
        parameter.requires_grad_(False)
    made = subject(tied, (3,))
    answer = summary.summary(made, row_of(made))
    rows = {one["name"]: one for one in answer["modules"]}
    assert list(rows) == ["pre", "net", "net.0", "net.1", "net.2", "post"]
    assert [one["parameters"] for one in rows.values()] == [0, 0, 12, 0, 3, 0]
    assert answer["parameters"] == 15
    assert answer["trainable_parameters"] == 3  # the shared weight is frozen, for it is one
    assert answer["size_bytes"] == 60
    assert rows["net.2"]["output_shape"] == [1, 3]
    assert (rows["net.0"]["trainable"], rows["net.1"]["trainable"]) == (True, None)
    lines = answer["text"].splitlines()
    assert (lines[0], lines[2].split()) == (
        "Sequential",
        ["Layer", "Type", "Output", "shape", "Parameters"],
    )
    assert (lines[4], lines[5]) == (
        "pre    Identity    [1, 3]        -",
        "net    Sequential  [1, 3]        -",
    )
    assert lines[8] == "  2    Linear      [1, 3]        3 (frozen)"
    assert lines[-2] == "Parameters: 15, of which trainable: 3"


def test_numbers_that_are_none_are_null() -> None:
    made = by_hand()
    huge: Rows = {"features": np.full((1, 2), 3e38, np.float32)}
    found = activations.activations(made, huge, "net.0")["layers"][0]
    assert (found["max"], found["mean"], found["zero_share"]) == (None, None, 0.0)
    with pytest.raises(CannotInspect, match="NaN or infinite") as caught:
        features.features(made, huge, "net.0")
    assert caught.value.code == "not_finite"


def test_features_are_of_rows_and_not_too_many() -> None:
    rows: Rows = {"features": np.ones((2, 2), np.float32)}
    sums = subject(nn.Sequential(nn.Flatten(0), nn.Linear(4, 3)), (2,))
    with pytest.raises(CannotInspect, match=r"an output for each of 2 rows, got shape \[3\]"):
        features.features(sums, rows, "net.1")
    wide = subject(nn.Upsample(size=(1024, 1024)), (1, 2, 2))
    with pytest.raises(CannotInspect, match=r"expected at most 1048576 values, got 2097152"):
        features.features(wide, synthetic(wide.signature, 2, seed=0), "net")


def test_a_layer_that_does_not_exist_is_told_which_do() -> None:
    for look in (activations.activations, gradients.gradients):
        with pytest.raises(LayerNotFound, match=r"\(pre, net.0, net.1, post\), got 'net.9'"):
            look(by_hand(), ONES, "net.9")
    with pytest.raises(LayerNotFound, match="got ''"):
        features.features(by_hand(), ONES, "")
    assert listed(map(str, range(20))) == "0, 1, 2, 3, 4, 5, …, 14, 15, 16, 17, 18, 19"
