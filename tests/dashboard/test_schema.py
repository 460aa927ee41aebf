"""Forms from the schemas of all pipelines."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard import schema
from dashboard.schema import Field
from models.pipelines import PIPELINES

SCHEMAS = {name: one.params.model_json_schema() for name, one in PIPELINES.items()}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_an_untouched_form_asks_for_the_defaults(pipeline: str) -> None:
    """Each field reads back as its default, and all of them together are valid params."""
    fields = schema.fields(SCHEMAS[pipeline])
    shown = {one: schema.text(one.default) if one.kind == "text" else one.default for one in fields}
    read = {one: schema.read(one, typed) for one, typed in shown.items()}
    assert schema.changed(read) == {}
    nested: dict[str, Any] = {}
    for one in fields:
        inside = nested
        for name in one.path[:-1]:
            inside = inside.setdefault(name, {})
        inside[one.path[-1]] = one.default
    params = PIPELINES[pipeline].params
    assert params.model_validate(nested) == params()


def test_a_nested_field_is_sent_where_it_belongs() -> None:
    fields = {one.name: one for one in schema.fields(SCHEMAS["image-classification"])}
    rate, hidden = fields["optimizer.lr"], fields["hidden"]
    assert rate.bounds == "above 0, to 10"
    assert fields["epochs"].bounds == "1 to 100000"
    assert fields["net"].options[0] == "mlp"
    values = {rate: schema.read(rate, "0.1"), hidden: schema.read(hidden, "32, 16")}
    assert schema.changed(values) == {"optimizer": {"lr": 0.1}, "hidden": [32, 16]}


@pytest.mark.parametrize(
    ("typed", "value"),
    [("", None), ("3", 3), ("0.5", 0.5), ("1e-3", 0.001), ("many", "many"), ("true", "true")],
)
def test_what_is_typed(typed: str, value: Any) -> None:
    """What is no number is left to the service, which says what it expected."""
    assert schema.read(Field(("some",), "text", None, ""), typed) == value
