"""What a trained attention net looks at, and sequences to try it with."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from models import plots
from models.artifacts import Artifacts
from models.nets.attention import Attention
from models.supervised import Fitted, inputs_of

SHOWN = 4
"""Sequences whose attention is drawn."""

HANDED_OUT = 20
"""Held-out sequences to try the model with."""

SHOWN_STEPS = 256
"""Of each that is drawn, at most: a map has as many numbers as there are pairs of them."""


def draw_attention(files: Artifacts, fitted: Fitted, predicted: NDArray[np.int64]) -> None:
    """A test sequence of each of the first classes, with the weights of the last block."""
    dataset, classes = fitted.dataset, fitted.dataset.info.classes or ()
    actual = dataset.targets[dataset.test]
    _, places = np.unique(actual, return_index=True)
    shown: list[plots.Attended] = []
    numbers: list[dict[str, Any]] = []
    for place in places[:SHOWN]:
        pair = classes[int(actual[place])], classes[int(predicted[place])]
        steps, weights = _attention(fitted, int(dataset.test[place]))
        shown.append(plots.Attended(f"True: {pair[0]}, predicted: {pair[1]}", steps, weights))
        numbers.append(
            {
                "actual": pair[0],
                "predicted": pair[1],
                "steps": steps.tolist(),
                "weights": weights.round(6).tolist(),
            }
        )
    title = "What each step takes from which, in the last block"
    files.plot("attention", title, plots.attention_maps(shown, title), numbers)


def _attention(fitted: Fitted, row: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """→ the steps of a sequence (steps, numbers), and who takes how much from whom (steps, steps);
    of a long one the first steps."""
    dataset, servable = fitted.dataset, fitted.servable
    count = SHOWN_STEPS if dataset.lengths is None else min(int(dataset.lengths[row]), SHOWN_STEPS)
    steps = dataset.inputs[row, :count].copy()
    with torch.inference_mode():
        prepared = servable.pre(torch.from_numpy(steps)[None])
        maps = cast(Attention, servable.net).weights(prepared, torch.tensor([count]))
    return steps, maps[0, -1].numpy()


def hand_out(files: Artifacts, fitted: Fitted) -> None:
    """Raw rows that training never saw, without their padding, as `/v1` takes them."""
    dataset, classes = fitted.dataset, fitted.dataset.info.classes or ()
    rows = dataset.test[:HANDED_OUT]
    given = inputs_of(dataset, rows)
    pairs = zip(given["input"], given["lengths"], strict=True)
    value = {
        "inputs": [{"input": steps[:length].tolist()} for steps, length in pairs],
        "labels": [classes[int(code)] for code in dataset.targets[rows]],
    }
    files.numbers("heldout", "Held-out sequences to try the model with", value)
