"""How the answer to one input hangs on each layer and each parameter, by full backward hooks."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import CannotInspect
from models.inspection import statistics
from models.inspection.activations import chosen, described
from models.inspection.hooks import Calls, gradients_of
from models.inspection.layers import listed
from models.inspection.subject import Subject
from models.rows import Tensors


@dataclass(frozen=True)
class Score:
    """The number that is differentiated."""

    value: Tensor
    output: str
    target: str | None
    """The class whose probability it is; None where it is the mean of the output."""


@dataclass(frozen=True)
class Gradients:
    score: Score
    layers: Mapping[str, Calls]
    """By each layer's output."""
    parameters: Mapping[str, Tensor | None]
    """By name; None for one that the answer does not hang on."""


def gradients(
    subject: Subject, row: Tensors, layer: str | None = None, target: str | None = None
) -> dict[str, Any]:
    """Norms, means and deviations of the gradients by every layer's output, or by one module's,
    and by the parameters. `target` is the name of a class, the most probable one by default.

    Raises `LayerNotFound` and `CannotInspect`.
    """
    modules = chosen(subject.model, layer)
    trainable = {name: one.requires_grad for name, one in subject.model.named_parameters()}
    found = differentiate(subject, row, modules, target)
    layers = [
        {
            **described(name, modules[name], calls),
            **statistics.of_gradients(tensor for call in calls for tensor in call),
        }
        for name, calls in found.layers.items()
    ]
    parameters = [
        {
            "name": name,
            "shape": list(subject.model.get_parameter(name).shape),
            "trainable": trainable[name],
            **statistics.of_gradients([] if gradient is None else [gradient]),
        }
        for name, gradient in found.parameters.items()
        if layer is None or name.startswith(f"{layer}.")
    ]
    return {"of": _described(found.score), "layers": layers, "parameters": parameters}


def differentiate(
    subject: Subject, row: Tensors, modules: Mapping[str, nn.Module], target: str | None = None
) -> Gradients:
    """Nothing is added to any `.grad`: the model is as it was."""
    model = subject.model
    inputs = subject.tensors(row)
    leaves = [one.requires_grad_() for one in inputs if one.is_floating_point()]
    with _thawed(model), gradients_of(modules) as records, torch.enable_grad():
        # Copies, because nothing may change a leaf in place.
        outputs = subject.run([one.clone() for one in inputs])
        score = _score(subject, outputs, target)
        parameters = dict(model.named_parameters())
        wanted = [*parameters.values(), *leaves]
        if not score.value.requires_grad:
            raise CannotInspect("the model's answer hangs on nothing that could have a gradient")
        every = torch.autograd.grad(score.value, wanted, allow_unused=True)
    return Gradients(score, records, dict(zip(parameters, every, strict=False)))


def _score(subject: Subject, outputs: list[Tensor], target: str | None) -> Score:
    """The probability of a class, over all places of a map of them; the mean of other outputs."""
    first, name = outputs[0], subject.signature.outputs[0].name
    classes = subject.classes
    if classes is None or first.ndim < 2 or first.shape[1] != len(classes):
        if target is not None:
            raise CannotInspect(
                f"expected no target, for the model has no classes, got {target[:64]!r}",
                code="unknown_class",
                field="target",
            )
        return Score(first.double().mean(), name, None)
    probabilities = first[0].flatten(1).mean(1) if first.ndim > 2 else first[0]
    names = [str(one) for one in classes]
    index = int(probabilities.argmax()) if target is None else _index(names, target)
    return Score(probabilities[index], name, names[index])


def _described(score: Score) -> dict[str, Any]:
    return {
        "output": score.output,
        "class": score.target,
        "value": statistics.number(score.value),
    }


def _index(names: list[str], target: str) -> int:
    if target not in names:
        raise CannotInspect(
            f"expected one of the classes ({listed(names)}), got {target[:64]!r}",
            code="unknown_class",
            field="target",
        )
    return names.index(target)


@contextmanager
def _thawed(model: nn.Module) -> Generator[None]:
    """Frozen parameters have gradients too, and those of what stands before them need a way."""
    frozen = [one for one in model.parameters() if not one.requires_grad]
    try:
        for one in frozen:
            one.requires_grad_(True)
        yield
    finally:
        for one in frozen:
            one.requires_grad_(False)
