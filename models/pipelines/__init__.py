"""The pipelines. Torch-free: the API validates jobs with them.

A new one is a file here that exports `PIPELINE`, and a line in the table.
"""

from __future__ import annotations

from models.pipelines import (
    binary_classification,
    diagnostics,
    image_classification,
    linear_regression,
)
from models.pipelines.base import Pipeline

PIPELINES: dict[str, Pipeline] = {
    pipeline.name: pipeline
    for pipeline in (
        diagnostics.PIPELINE,
        linear_regression.PIPELINE,
        binary_classification.PIPELINE,
        image_classification.PIPELINE,
    )
}
