"""The job form's fields: complete enough to build a form from, and strict."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from models.params import Optimizer, TrainingParams
from models.pipelines import PIPELINES


def fields(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every property of a JSON schema and of those it refers to, by dotted name."""
    objects = {"": schema, **{f"{name}.": part for name, part in schema.get("$defs", {}).items()}}
    return {
        prefix + name: field
        for prefix, part in objects.items()
        for name, field in part.get("properties", {}).items()
    }


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_every_field_has_a_description_a_default_and_bounds(pipeline: Any) -> None:
    schema = pipeline.params.model_json_schema()
    assert schema["additionalProperties"] is False
    for name, field in fields(schema).items():
        assert field.get("description"), name
        assert "required" not in schema, name
        for option in field.get("anyOf", [field]):
            if option.get("type") in ("integer", "number"):
                assert {"minimum", "exclusiveMinimum"} & set(option), name
                assert {"maximum", "exclusiveMaximum"} & set(option), name


@pytest.mark.parametrize("pipeline", PIPELINES.values(), ids=PIPELINES)
def test_defaults_go_through_json_and_back(pipeline: Any) -> None:
    resolved = pipeline.params().model_dump(mode="json")
    assert pipeline.params.model_validate(resolved) == pipeline.params()


def test_what_is_left_out_of_a_nested_object_is_the_pipelines_default() -> None:
    params = PIPELINES["linear-regression"].params.model_validate({"optimizer": {"lr": 0.05}})
    assert params.model_dump()["optimizer"]["name"] == "sgd"


@pytest.mark.parametrize(
    "given",
    [
        {"epoch": 3},
        {"epochs": 0},
        {"epochs": "3"},
        {"epochs": 2.5},
        {"batch_size": True},
        {"optimizer": {"lr": float("nan")}},
        {"optimizer": {"lr": float("inf")}},
        {"optimizer": {"lr": 0}},
        {"optimizer": {"name": "lion"}},
        {"optimizer": "adam"},
        {"optimizer": {"momentum": 1}},
        {"scheduler": {"gamma": 0}},
        {"early_stopping": {"patience": -1}},
        {"validation_fraction": 0.9},
        {"checkpoint_every": 0},
        {"initialization": None},
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrainingParams.model_validate(given)


def test_params_cannot_be_changed() -> None:
    params = Optimizer()
    with pytest.raises(ValidationError, match="frozen"):
        params.lr = 1.0  # type: ignore[misc]
