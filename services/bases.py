"""The version that a job starts from: pinned when it is submitted, found when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from models.errors import BaseUnavailable
from models.pipelines.base import Pipeline
from services.catalogue import Catalogue
from services.errors import FieldError, Invalid, NotFound
from services.registry import Registry, find_version


def pinned(session: Session, pipeline: Pipeline, params: dict[str, Any]) -> dict[str, Any]:
    """`params` with the number of the version that is named as a base, where one is: an alias may
    be moved before the job runs.

    Raises `Invalid` (`invalid_params`) where there is no such version.
    """
    reference = _reference(pipeline, params)
    if pipeline.base_param is None or reference is None:
        return params
    name, ref = reference
    try:
        version = find_version(session, name, ref).version
    except NotFound as error:
        field = f"params.{pipeline.base_param}"
        message = f"expected a version in the registry, got '{name}@{ref}': {error.detail}"
        raise Invalid(
            f"the params do not fit the pipeline {pipeline.name}",
            code="invalid_params",
            errors=(FieldError(field, message),),
        ) from None
    return {**params, pipeline.base_param: f"{name}@{version}"}


class Bases:
    def __init__(self, catalogue: Catalogue, registry: Registry) -> None:
        self._catalogue = catalogue
        self._registry = registry

    def directory(self, pipeline: str, params: Mapping[str, Any]) -> Path | None:
        """The files of the version that a job's pinned params name, on this host; None where they
        name none. Raises `BaseUnavailable` where it was deleted since."""
        try:
            reference = _reference(self._catalogue.get(pipeline), params)
        except NotFound:  # the trainer says that there is no such pipeline
            return None
        if reference is None:
            return None
        name, ref = reference
        try:
            return self._registry.directory(self._registry.version(name, ref).row)
        except NotFound as error:
            raise BaseUnavailable(
                f"the version that the job starts from is gone: {error.detail}"
            ) from error


def _reference(pipeline: Pipeline, params: Mapping[str, Any]) -> tuple[str, str] | None:
    """Model and version of `model@version`; None for what is no version (`resnet18`, null)."""
    value: object = None if pipeline.base_param is None else params.get(pipeline.base_param)
    if not isinstance(value, str) or "@" not in value:
        return None
    name, _, ref = value.partition("@")
    return name, ref
