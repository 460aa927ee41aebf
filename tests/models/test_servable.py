from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

from models.errors import ExportFailed
from models.servable import Servable, build
from models.transforms import (
    Destandardize,
    Normalize,
    Sigmoid,
    SigmoidPair,
    Softmax,
    Standardize,
    UnitNorm,
)
from tests.support.models import MODELS

ARCHITECTURE: dict[str, Any] = {
    "pre": {"name": "standardize", "size": 4},
    "net": {
        "name": "mlp",
        "inputs": 4,
        "hidden": [8],
        "outputs": 3,
        "activation": "relu",
        "dropout": 0.0,
    },
    "post": {"name": "softmax"},
}


@pytest.mark.parametrize("model", MODELS)
def test_rebuilt_from_json_and_state_dict_it_is_the_same_function(model: str) -> None:
    trained = MODELS[model]()
    rebuilt = build(json.loads(json.dumps(trained.servable.architecture)))
    rebuilt.load_state_dict(trained.servable.state_dict(), strict=True)
    rows = [torch.from_numpy(array) for array in trained.heldout.values()]
    assert torch.equal(rebuilt.eval()(*rows), trained.servable(*rows))


def test_statistics_are_in_the_state_dict_and_not_in_the_architecture() -> None:
    servable = build(ARCHITECTURE)
    servable.pre.set([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0])
    assert servable.state_dict()["pre.mean"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert servable.architecture == ARCHITECTURE


def test_further_inputs_go_to_the_net_as_they_are() -> None:
    class Scaled(nn.Module):
        def forward(self, x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
            return x * factor

    servable = Servable(Standardize(1).set([1.0], [2.0]), Scaled(), nn.Identity(), {})
    assert servable(torch.tensor([[3.0]]), torch.tensor([[10.0]])).item() == 10.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pre": None}, "no 'pre' with a 'name'"),
        ({"post": {}}, "no 'post' with a 'name'"),
        ({"pre": {"name": "magic"}}, "'pre' is one of identity, standardize, normalize"),
        ({"pre": {"name": "standardize", "length": 4}}, "describes no model"),
        ({"net": {"name": "no-such-net"}}, "no-such-net"),
        ({"net": {**ARCHITECTURE["net"], "no_such_size": 1}}, "describes no model"),
    ],
)
def test_an_architecture_that_describes_no_model_is_refused(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExportFailed, match=message):
        build(ARCHITECTURE | change)


def test_standardize_and_destandardize_undo_each_other() -> None:
    mean, std = torch.tensor([100.0, -3.0]), torch.tensor([20.0, 0.5])
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0)) * std + mean
    there = Standardize(2).set(mean, std)(x)
    torch.testing.assert_close(there, (x - mean) / std)
    torch.testing.assert_close(Destandardize(2).set(mean, std)(there), x)


def test_a_feature_that_never_varies_is_shifted_only() -> None:
    assert Standardize(1).set([3.0], [0.0])(torch.tensor([[5.0]])).item() == 2.0


def test_integers_are_standardised_as_numbers() -> None:
    x = torch.tensor([[4]], dtype=torch.int64)
    assert Standardize(1).set([2.0], [4.0])(x).item() == 0.5


def test_normalize_takes_bytes_as_fractions_of_255() -> None:
    normalize = Normalize(2).set([0.5, 0.25], [0.5, 0.25])
    whole = torch.randint(0, 256, (3, 2, 4, 4), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(normalize(whole.to(torch.uint8)), normalize(whole / 255))
    assert normalize(torch.full((1, 2, 1, 1), 1.0)).flatten().tolist() == [1.0, 3.0]


def test_softmax_sums_to_one_over_classes() -> None:
    logits = torch.randn(5, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Softmax()(logits).sum(dim=1), torch.ones(5, 2, 2))


def test_sigmoid_pair_keeps_both_tails() -> None:
    negative, positive = SigmoidPair()(torch.tensor([[0.0], [40.0], [-40.0]])).unbind(dim=1)
    assert negative[0] == positive[0] == 0.5
    assert 0 < negative[1] < 1e-16
    assert 0 < positive[2] < 1e-16


def test_sigmoid_takes_each_pixel_by_itself() -> None:
    logits = torch.randn(2, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Sigmoid()(logits), 1 / (1 + torch.exp(-logits)))


def test_an_embedding_has_length_one_and_zero_stays_zero() -> None:
    points = UnitNorm()(torch.tensor([[3.0, 4.0], [-0.3, 0.4], [0.0, 0.0]]))
    torch.testing.assert_close(points, torch.tensor([[0.6, 0.8], [-0.6, 0.8], [0.0, 0.0]]))


def test_statistics_of_the_wrong_number_are_refused() -> None:
    with pytest.raises(RuntimeError):
        Standardize(3).set([1.0, 2.0], [1.0, 1.0])
