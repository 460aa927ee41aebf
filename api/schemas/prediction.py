"""Predictions on `/v1`. Documentation only: the bytes are read and written by services.serving."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from api.schemas.common import RequestModel, ResponseModel


class PredictIn(RequestModel):
    inputs: list[Any] = Field(
        description="Rows, each nested as the model's input without its batch dimension; an object "
        "by input name where the model has several inputs"
    )


class PredictOut(ResponseModel):
    id: str
    model: str
    version: int
    backend: str
    outputs: list[Any]
    labels: list[str] | None = None
    probabilities: list[list[float]] | None = None
