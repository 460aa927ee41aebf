"""Watching layers: nothing stays behind, and awkward modules are seen as they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from models.errors import CannotInspect
from models.inspection import activations, features, gradients, summary
from models.inspection.layers import layers_of
from models.inspection.subject import Subject
from models.nets import build_net
from models.servable import Servable
from tests.support.inspected import ONES, Rows, by_hand, hooks_in, layer, row_of, subject
from tests.support.models import signature


class Fails(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("/a/path of this machine")


@pytest.mark.parametrize("look", [activations.activations, gradients.gradients])
def test_no_hook_stays_even_where_the_model_fails(
    look: Callable[[Subject, Rows], dict[str, Any]],
) -> None:
    made = subject(nn.Sequential(nn.Linear(2, 2), Fails()), (2,))
    made.model.net[0].weight.requires_grad_(False)
    with pytest.raises(CannotInspect, match="could not compute an answer") as caught:
        look(made, ONES)
    assert caught.value.code == "inference_failed"
    assert "/a/path" not in str(caught.value)
    assert hooks_in(made.model) == 0
    assert not made.model.net[0].weight.requires_grad


def test_looking_leaves_nothing_behind() -> None:
    made = by_hand()
    before = {name: value.clone() for name, value in made.model.state_dict().items()}
    activations.activations(made, ONES)
    gradients.gradients(made, ONES)
    features.features(made, ONES, "net")
    summary.summary(made, ONES)
    assert hooks_in(made.model) == 0
    assert all(parameter.grad is None for parameter in made.model.parameters())
    assert all(torch.equal(before[name], now) for name, now in made.model.state_dict().items())


class InPlace(nn.Module):
    """What torch refuses behind a full backward hook of the layer itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        out = self.second(self.relu(self.first(x)))
        out += x
        return self.relu(out)


def test_what_works_in_place_is_seen_as_it_was() -> None:
    torch.manual_seed(0)
    net = InPlace()
    made = subject(net, (4,))
    rows = row_of(made)
    answer = activations.activations(made, rows)
    x = torch.from_numpy(rows["features"])
    first = net.first(x)
    second = net.second(torch.relu(first))
    assert layer(answer, "net.first")["min"] == pytest.approx(first.min().item())
    assert layer(answer, "net.second")["mean"] == pytest.approx(second.mean().item())
    assert layer(answer, "net.relu")["calls"] == 2
    found = gradients.gradients(made, rows)
    assert layer(found, "net.relu")["calls"] == 2
    wanted = torch.autograd.grad(torch.relu(second + x).mean(), [first, second])
    for name, expected in zip(("net.first", "net.second"), wanted, strict=True):
        assert layer(found, name)["norm"] == pytest.approx(expected.norm().item())


def test_gradients_are_those_of_full_backward_hooks_on_the_layers() -> None:
    """Where torch allows those: the probes behind the layers must not make a difference."""
    torch.manual_seed(0)
    net = build_net({"name": "mlp", "inputs": 6, "hidden": [5, 4], "outputs": 3})
    made = subject(net, (6,), post=nn.Softmax(1), classes=["a", "b", "c"])
    rows = row_of(made)
    seen: dict[str, Tensor] = {}
    handles = [
        module.register_full_backward_hook(
            lambda _module, _into, out, name=name: seen.__setitem__(name, out[0])
        )
        for name, module in layers_of(made.model).items()
    ]
    made.model(torch.from_numpy(rows["features"]).requires_grad_()).max().backward()
    for handle in handles:
        handle.remove()
    answer = gradients.gradients(made, rows)
    assert len(seen) == len(answer["layers"]) == 8
    for one in answer["layers"]:
        assert one["norm"] == pytest.approx(seen[one["name"]].norm().item()), one["name"]


class Pair(NamedTuple):
    left: Tensor
    both: list[Tensor]


class Splits(nn.Module):
    def forward(self, x: Tensor) -> Pair:
        return Pair(2 * x, [x, x])


class Nested(nn.Module):
    """An LSTM's nested tuples, a named tuple, a dictionary, a module that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)
        self.splits = Splits()
        self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> dict[str, Any]:
        out, (hidden, _) = self.lstm(x)
        pair = self.splits(out)
        return {"sum": (pair.left + pair.both[0]).sum((1, 2)) + hidden.sum(), "none": None}


def test_modules_may_give_anything() -> None:
    torch.manual_seed(0)
    made = subject(Nested(), (5, 3))
    rows = row_of(made)
    answer = activations.activations(made, rows)
    assert layer(answer, "net.lstm")["shape"] == [1, 5, 4]
    assert layer(answer, "net.splits")["shape"] == [1, 5, 4]
    unused = layer(answer, "net.unused")
    assert (unused["calls"], unused["shape"], unused["mean"]) == (0, None, None)
    found = gradients.gradients(made, rows)
    assert layer(found, "net.lstm")["norm"] > 0
    assert layer(found, "net.unused")["norm"] is None
    # 2 to the left; to the right 1, and nothing by the item that is not used.
    assert layer(found, "net.splits")["norm"] == pytest.approx(math.sqrt(2 * 20))


def test_integers_have_no_gradient_but_what_is_behind_them_has() -> None:
    net = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 1)).requires_grad_(False)
    servable = Servable(nn.Identity(), net, nn.Identity(), {}).eval()
    made = Subject(servable, signature((2,), 1, datatype="INT64"))
    answer = gradients.gradients(made, row_of(made))
    assert layer(answer, "pre")["norm"] is None
    assert layer(answer, "net.0")["norm"] > 0
    assert {one["trainable"] for one in answer["parameters"]} == {False}
    assert answer["parameters"][0]["norm"] > 0
    assert not any(one.requires_grad for one in net.parameters())
    still = subject(nn.Flatten(), (2,))
    still_integers = Subject(still.model, signature((2,), 1, datatype="INT64"))
    with pytest.raises(CannotInspect):
        gradients.gradients(still_integers, row_of(still_integers))
