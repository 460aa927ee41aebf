from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from services.errors import Invalid
from services.serving import answers, texts
from tests.services.serving.conftest import tensor, version


def encode(outputs: dict[str, Any], classes: list[str] | None = None) -> dict[str, Any]:
    return orjson.loads(answers.encode(version(classes=classes), "eager", outputs))


def test_a_classifier_answers_with_labels_and_probabilities() -> None:
    answer = encode({"y": np.array([[0.25, 0.75], [1, 0]], np.float32)}, ["no", "yes"])
    assert answer.pop("id").startswith("pred_")
    assert answer == {
        "model": "demo",
        "version": 3,
        "backend": "eager",
        "outputs": [[0.25, 0.75], [1.0, 0.0]],
        "labels": ["yes", "no"],
        "probabilities": [[0.25, 0.75], [1.0, 0.0]],
    }


def test_a_regression_answers_with_its_rows() -> None:
    answer = encode({"y": np.array([[1.5]], np.float32)})
    assert answer["outputs"] == [[1.5]]
    assert "labels" not in answer
    assert "probabilities" not in answer


def test_several_outputs_are_objects_by_name() -> None:
    answer = encode(
        {
            "mask": np.array([[[1, 2]], [[3, 4]]], np.int64),
            "scores": np.float32([[0.5, 0.5], [0, 1]]),
        },
        ["a", "b"],
    )
    assert answer["outputs"] == [
        {"mask": [[1, 2]], "scores": [0.5, 0.5]},
        {"mask": [[3, 4]], "scores": [0.0, 1.0]},
    ]
    assert answer["labels"] == ["a", "b"]


def test_no_rows_are_an_answer() -> None:
    answer = encode({"y": np.empty((0, 2), np.float32)}, ["a", "b"])
    assert (answer["outputs"], answer["labels"], answer["probabilities"]) == ([], [], [])


def test_values_that_json_cannot_hold_are_an_error() -> None:
    with pytest.raises(Invalid, match="'y' has NaN"):
        encode({"y": np.array([[np.nan, 1]], np.float32)})


def test_the_versions_signature_is_not_needed_to_be_flat() -> None:
    served = version(outputs=[tensor("y", "FP32", [-1, 2])])
    strided = np.arange(8, dtype=np.float32).reshape(2, 4)[:, ::2]
    assert orjson.loads(answers.encode(served, "eager", {"y": strided}))["outputs"] == [
        [0.0, 2.0],
        [4.0, 6.0],
    ]


def test_text_is_strings_and_what_is_no_text_is_refused() -> None:
    text = texts.array_of([b"a", "\u00e9".encode()], (2, 1))
    assert encode({"y": text})["outputs"] == [["a"], ["\u00e9"]]
    both = encode({"y": text, "z": np.float32([1, 2])})["outputs"]
    assert both == [{"y": ["a"], "z": 1.0}, {"y": ["\u00e9"], "z": 2.0}]
    assert "labels" not in encode({"y": text}, ["one class"])
    with pytest.raises(Invalid, match="output 'y' has bytes that are not UTF-8") as caught:
        encode({"y": texts.array_of([b"\xff"], (1,))})
    assert caught.value.code == "not_text"
