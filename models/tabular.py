"""What pipelines on tables share: the choice of a net. Torch-free: the API validates with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from models.params import (
    Activation,
    BatchNorm,
    Dropout,
    HiddenLayers,
    TrainingParams,
)


class TabularParams(TrainingParams, frozen=True):
    """A pipeline says how many layers it has by default."""

    net: Literal["mlp", "custom_mlp"] = Field(
        default="mlp",
        description="Fully connected layers: torch's (`mlp`), or the tutorial's own of section "
        "10.2 with its leaky ReLU between them and nothing else to choose (`custom_mlp`)",
    )
    hidden: HiddenLayers = Field(default=[20])
    activation: Activation = "relu"
    dropout: Dropout = 0.0
    batch_norm: BatchNorm = False
    standardize: bool = Field(
        default=True,
        description="Bring every feature to mean 0 and standard deviation 1 inside the model; "
        "the statistics are those of the training rows",
    )


def architecture(
    params: TabularParams, features: int, outputs: int, post: Mapping[str, Any]
) -> dict[str, Any]:
    """A servable's description: raw features in, and out what `post` makes of the net's outputs."""
    net: dict[str, Any] = {
        "name": params.net,
        "inputs": features,
        "hidden": params.hidden,
        "outputs": outputs,
        "dropout": params.dropout,
    }
    if params.net == "mlp":
        net |= {"activation": params.activation, "batch_norm": params.batch_norm}
    pre = {"name": "standardize", "size": features} if params.standardize else {"name": "identity"}
    return {"pre": pre, "net": net, "post": dict(post)}
