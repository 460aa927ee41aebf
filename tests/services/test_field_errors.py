"""What a client reads about a field that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.catalogue import Catalogue
from services.errors import Invalid


def said(params: dict[str, Any]) -> dict[str, str]:
    catalogue = Catalogue()
    with pytest.raises(Invalid) as refused:
        catalogue.resolve_params(catalogue.get("image-classification"), params)
    assert refused.value.code == "invalid_params"
    return {error.field: error.message for error in refused.value.errors}


@pytest.mark.parametrize(
    ("params", "field", "message"),
    [
        ({"epochs": 0}, "params.epochs", "expected greater than or equal to 1, got 0"),
        ({"epochs": "3"}, "params.epochs", "expected a valid integer, got '3'"),
        ({"hidden": [1] * 20}, "params.hidden", "expected a list with at most 16 items, got [1, "),
        ({"hidden": [8, 0]}, "params.hidden.1", "expected greater than or equal to 1, got 0"),
        ({"loss": None}, "params.loss", "expected an object, got None"),
        ({"optimizer": {"name": "x"}}, "params.optimizer.name", "expected 'sgd', 'momentum', "),
    ],
)
def test_the_field_the_expected_and_the_got(
    params: dict[str, Any], field: str, message: str
) -> None:
    found = said(params)
    assert list(found) == [field]
    assert found[field].startswith(message)
    assert ", got " in found[field]


def test_an_unknown_param_is_told_the_known_ones() -> None:
    assert said({"epoch": 3})["params.epoch"].startswith(
        "unknown field, expected one of activation, batch_size, "
    )
    assert said({"optimizer": {"rate": 1}}) == {
        "params.optimizer.rate": "unknown field, expected one of lr, momentum, name, weight_decay"
    }


def test_a_long_value_is_named_by_its_type() -> None:
    found = said({"epochs": json.dumps(list(range(100)))})
    assert found == {"params.epochs": "expected a valid integer, got a str"}
