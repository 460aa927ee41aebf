"""Looking into a version. Documentation only: the process that looks writes the bytes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas.common import ResponseModel

Shape = list[int] | None
Statistic = float | None


class ModuleOut(ResponseModel):
    name: str = Field(description="The dotted name by which a layer is asked for")
    type: str
    calls: int = Field(description="How often it runs for one batch")
    output_shape: Shape = Field(description="For a batch of one row; null where it is not called")
    parameters: int = Field(description="Those that it holds itself; they add up to the total")
    trainable: bool | None = Field(description="Null where it holds no parameters itself")


class SummaryOut(ResponseModel):
    object: Literal["model_summary"] = "model_summary"
    model: str
    version: int
    modules: list[ModuleOut] = Field(description="In the model's order, each before its parts")
    parameters: int
    trainable_parameters: int
    size_bytes: int = Field(description="Of parameters and buffers in memory")
    text: str = Field(description="The same as a table to print")


class LayerOut(ResponseModel):
    name: str
    type: str
    calls: int
    shape: Shape = Field(description="Of what it gave, batch first; null where it gave nothing")


class ActivationOut(LayerOut):
    """Statistics are null where the layer gave nothing, or something that is not finite."""

    mean: Statistic
    std: Statistic
    min: Statistic
    max: Statistic
    zero_share: Statistic


class ActivationsOut(ResponseModel):
    object: Literal["activations"] = "activations"
    model: str
    version: int
    layers: list[ActivationOut]


class GradientStatistics(ResponseModel):
    norm: Statistic
    mean: Statistic
    std: Statistic
    max_abs: Statistic


class LayerGradientOut(LayerOut, GradientStatistics):
    """By the layer's output; null where no gradient comes by."""


class ParameterGradientOut(GradientStatistics):
    name: str
    shape: list[int]
    trainable: bool


class ScoreOut(ResponseModel):
    """The number that was differentiated."""

    output: str
    class_: str | None = Field(
        alias="class", description="Whose probability it is; null: the mean of the output"
    )
    value: Statistic


class GradientsOut(ResponseModel):
    object: Literal["gradients"] = "gradients"
    model: str
    version: int
    of: ScoreOut
    layers: list[LayerGradientOut]
    parameters: list[ParameterGradientOut]


class FeaturesOut(ResponseModel):
    object: Literal["features"] = "features"
    model: str
    version: int
    layer: str
    shape: list[int] = Field(description="Of the layer's output before it was flattened")
    features: list[list[float]] = Field(description="A list for each row")
