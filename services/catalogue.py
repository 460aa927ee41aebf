"""The pipelines that exist, and what a job's params become when one of them checks them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from models.pipelines import PIPELINES
from models.pipelines.base import Pipeline
from services.errors import Invalid, NotFound
from services.field_errors import field_errors


class Catalogue:
    def __init__(self, pipelines: Mapping[str, Pipeline] = PIPELINES) -> None:
        self._pipelines = pipelines

    def list(self) -> Sequence[Pipeline]:
        return tuple(self._pipelines.values())

    def get(self, name: str) -> Pipeline:
        try:
            return self._pipelines[name]
        except KeyError:
            known = ", ".join(sorted(self._pipelines))
            raise NotFound(
                f"there is no pipeline {name!r}; there are {known}", code="unknown_pipeline"
            ) from None

    def resolve_params(self, pipeline: Pipeline, params: Mapping[str, Any]) -> dict[str, Any]:
        """All params with defaults filled in, or `Invalid` naming each field at fault."""
        try:
            # As JSON, which is what they came as: strict, and yet a list may stand for a tuple.
            return pipeline.params.model_validate_json(json.dumps(params)).model_dump(mode="json")
        except ValidationError as error:
            raise Invalid(
                f"the params do not fit the pipeline {pipeline.name}",
                code="invalid_params",
                errors=field_errors(
                    error.errors(include_url=False), pipeline.params, within="params"
                ),
            ) from None
