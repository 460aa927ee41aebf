"""The pipelines. Torch-free: the API validates jobs with them.

A new one is a file here that exports `PIPELINE`, and a line in the table.
"""

from __future__ import annotations

from models.pipelines import (
    binary_classification,
    diagnostics,
    image_classification,
    initialization,
    linear_regression,
    losses,
    metric_learning,
    optimizers,
    regression,
    regularization,
    schedulers,
    segmentation,
    sequence_classification,
    tabular_classification,
    transfer_learning,
)
from models.pipelines.base import Pipeline

PIPELINES: dict[str, Pipeline] = {
    pipeline.name: pipeline
    for pipeline in (
        diagnostics.PIPELINE,
        tabular_classification.PIPELINE,
        linear_regression.PIPELINE,
        binary_classification.PIPELINE,
        image_classification.PIPELINE,
        regression.PIPELINE,
        optimizers.PIPELINE,
        schedulers.PIPELINE,
        initialization.PIPELINE,
        regularization.PIPELINE,
        sequence_classification.PIPELINE,
        losses.PIPELINE,
        segmentation.PIPELINE,
        metric_learning.PIPELINE,
        transfer_learning.PIPELINE,
    )
}
