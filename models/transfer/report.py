"""What transfer learning has to show: plots, and both figures side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models import plots, reports, supervised
from models.artifacts import Artifacts
from models.inspection.hooks import outputs_of
from models.plots.feature_maps import MAPS
from models.run import Outcome
from models.transfer.run import Transferred, accuracy

PANELS = {
    "Training loss": "train_loss",
    "Test loss": "test_loss",
    "Test accuracy": "test_accuracy",
}


def draw(files: Artifacts, done: Transferred) -> None:
    _draw_curves(files, done)
    dataset = done.fitted.dataset
    reports.draw_confusion(files, done.fitted, _predicted(done.fitted), "images")
    row = dataset.test[:1]
    files.image("example", f"A test image, a {_label(done.fitted, row)}", dataset.inputs[row[0]])
    _draw_features(files, done, row)


def _draw_curves(files: Artifacts, done: Transferred) -> None:
    histories = {"transfer": done.fitted.history}
    if done.scratch is not None:
        histories["from scratch"] = done.scratch["history"]
    panels = {
        title: {name: [epoch[figure] for epoch in history] for name, history in histories.items()}
        for title, figure in PANELS.items()
    }
    title = "Transfer and training from scratch" if done.scratch else "Transfer"
    files.plot("curves", f"{title}, by epoch", plots.curves(panels, title), panels)


def _draw_features(files: Artifacts, done: Transferred, row: NDArray[np.int64]) -> None:
    """Of one test image, at the layer that was asked for."""
    servable, layer = done.fitted.servable, done.feature_layer
    inputs = torch.from_numpy(done.fitted.dataset.inputs[row])
    with torch.inference_mode(), outputs_of({layer: servable.get_submodule(layer)}) as seen:
        servable(inputs)
    found: NDArray[Any] = seen[layer][0][0][0].numpy()
    maps = found if found.ndim == 3 else found.reshape(-1)
    shown = maps[:MAPS] if maps.ndim == 3 else maps
    numbers = {
        "layer": layer,
        "shape": list(found.shape),
        "label": _label(done.fitted, row),
        "maps": shown.astype(np.float64).round(5).tolist(),
    }
    title = f"Features of a test image at {layer}"
    files.plot("feature-maps", title, plots.feature_maps(maps, title), numbers)


def _label(fitted: supervised.Fitted, row: NDArray[np.int64]) -> str:
    return (fitted.dataset.info.classes or ())[int(fitted.dataset.targets[row[0]])]


def _predicted(fitted: supervised.Fitted) -> NDArray[np.int64]:
    return fitted.answers(fitted.dataset.test).argmax(axis=1)


def outcome(done: Transferred) -> Outcome:
    fitted = done.fitted
    figures = {
        "test_accuracy": accuracy(fitted),
        "test_loss": fitted.history[fitted.trained.kept_epoch - 1]["test_loss"],
    }
    results: dict[str, Any] = {
        "trainable_parameters": done.trainable,
        "base": {"source": done.base.source, "test_accuracy": done.base.test_accuracy},
    }
    if done.scratch is not None:
        results["scratch"] = {
            "test_accuracy": done.scratch["test_accuracy"],
            "trainable_parameters": done.scratch["trainable_parameters"],
        }
        results["gain_over_scratch"] = figures["test_accuracy"] - done.scratch["test_accuracy"]
    made = supervised.outcome(fitted, figures, **results)
    made.lineage["base"] = done.base.source
    return made
