from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

from models.inspection import activations, drawing, features, gradients, summary
from models.inspection.layers import layers_of
from models.inspection.subject import Subject
from models.nets import NETS, build_net
from models.signature import Signature, TensorSpec
from tests.support.inspected import hooks_in, layer, row_of, subject

IMAGE = (1, 16, 16)
NET_EXAMPLES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "linear": ((4,), {"inputs": 4, "outputs": 3}),
    "mlp": ((4,), {"inputs": 4, "outputs": 3, "hidden": [5]}),
    "custom_mlp": ((4,), {"inputs": 4, "outputs": 3, "hidden": [5]}),
    "cnn": (IMAGE, {"channels": 1, "height": 16, "width": 16, "outputs": 3}),
    "residual": (IMAGE, {"channels": 1, "outputs": 3}),
    "attention": ((-1, 4), {"inputs": 4, "outputs": 3, "width": 8}),
    "unet": (IMAGE, {"channels": 1, "outputs": 3}),
    "resnet18": (IMAGE, {"channels": 1, "outputs": 3, "side": 32}),
    "transfer": ((4,), {"outputs": 3, "base": {"name": "mlp", "inputs": 4, "outputs": 2}}),
}


def of_net(name: str) -> Subject:
    assert name in NET_EXAMPLES, "a net without an example: add its smallest options above"
    shape, options = NET_EXAMPLES[name]
    net = build_net({"name": name, **options})
    made = subject(net, shape, post=nn.Softmax(1), classes=["a", "b", "c"])
    if name != "attention":
        return made
    lengths = TensorSpec("lengths", "INT64", (-1,))
    signature = Signature((*made.signature.inputs, lengths), made.signature.outputs)
    return Subject(made.model, signature, made.classes)


@pytest.mark.parametrize("name", NETS)
def test_every_net_can_be_looked_into(name: str) -> None:
    torch.manual_seed(0)
    made = of_net(name)
    rows = row_of(made)
    told = summary.summary(made, rows)
    assert sum(one["parameters"] for one in told["modules"]) == told["parameters"] > 0
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    seen = activations.activations(made, rows)
    assert all(one["calls"] and one["mean"] is not None for one in seen["layers"])
    found = gradients.gradients(made, rows)
    assert all(one["norm"] is not None for one in (*found["layers"], *found["parameters"]))
    assert layer(found, "post")["norm"] > 0
    assert features.features(made, rows, "net")["features"].shape[0] == 1
    first = next(name for name, module in layers_of(made.model.net).items() if has_weights(module))
    drawing.weights(made, f"net.{first}")
    drawing.activations(made, rows, f"net.{first}")
    drawing.gradients(made, rows, f"net.{first}")
    assert hooks_in(made.model) == 0


def has_weights(module: nn.Module) -> bool:
    return bool(list(module.parameters(recurse=False)))
