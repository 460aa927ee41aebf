"""One request to look into a model, from plain data to the bytes of its answer.

Torch-free at import, for the process that only sends requests imports it too.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson

from models.backends.eager import rebuild
from models.lazy import lazy
from models.rows import Tensors, synthetic
from models.signature import Signature

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    import models.inspection.activations as activations
    import models.inspection.drawing as drawing
    import models.inspection.features as features
    import models.inspection.gradients as gradients
    import models.inspection.subject as subjects
    import models.inspection.summary as summaries
    from models.inspection.subject import Subject
    from models.servable import Servable
else:
    activations = lazy("models.inspection.activations")
    drawing = lazy("models.inspection.drawing")
    features = lazy("models.inspection.features")
    gradients = lazy("models.inspection.gradients")
    subjects = lazy("models.inspection.subject")
    summaries = lazy("models.inspection.summary")

Operation = Literal["summary", "weights", "activations", "gradients", "features"]
Format = Literal["json", "png"]

KEPT = 2
"""Models that stay open: whoever looks at one layer looks at the next."""


@dataclass(frozen=True)
class Inspection:
    """Everything about it can be sent to another process."""

    operation: Operation
    directory: Path
    """Of the version's files."""
    signature: Signature
    classes: Sequence[str] | None = None
    inputs: Tensors = field(default_factory=dict[str, Any])
    layer: str | None = None
    target: str | None = None
    format: Format = "json"
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the JSON begins with: whose model it is."""


def perform(request: Inspection) -> bytes:
    """JSON, or a PNG where that was asked for.

    Raises `ExportFailed` if the version's files cannot be read, `LayerNotFound`, `CannotInspect`.
    """
    subject = subjects.Subject(_opened(request.directory), request.signature, request.classes)
    if request.format == "png":
        return _png(_figure(subject, request))
    answer = {**request.about, **_numbers(subject, request)}
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


@lru_cache(KEPT)
def _opened(directory: Path) -> Servable:
    return rebuild(directory)


def _numbers(subject: Subject, request: Inspection) -> dict[str, Any]:
    layer = request.layer
    if request.operation == "summary":
        row = synthetic(request.signature, 1, seed=0, directory=request.directory)
        return summaries.summary(subject, row)
    if request.operation == "activations":
        return activations.activations(subject, request.inputs, layer)
    if request.operation == "gradients":
        return gradients.gradients(subject, request.inputs, layer, request.target)
    return features.features(subject, request.inputs, layer or "")


def _figure(subject: Subject, request: Inspection) -> Figure:
    layer = request.layer or ""
    if request.operation == "weights":
        return drawing.weights(subject, layer)
    if request.operation == "activations":
        return drawing.activations(subject, request.inputs, layer)
    return drawing.gradients(subject, request.inputs, layer, request.target)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
