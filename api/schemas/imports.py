"""A model that was trained elsewhere: what clients send with its file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BeforeValidator, Field, WithJsonSchema

from api.schemas.common import RequestModel
from services.imports import NewImport
from services.job_request import MAX_DEPTH, is_shallow

MAX_TEXT_BYTES = 1 << 18
"""Of a field that is not the file: a thousand classes by name, a deep architecture."""


def _or_none(value: Any) -> Any:
    """A field of a form that is left empty is none."""
    return None if value == "" else value


def _parsed(value: Any) -> Any:
    """JSON in a field of a form. The file's own part is a path, and no JSON."""
    if value == "" or not isinstance(value, str):
        return _or_none(value)
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"expected JSON: {error}") from None
    if not is_shallow(found):
        raise ValueError(f"expected at most {MAX_DEPTH} levels of nesting")
    if "\\u0000" in value:
        raise ValueError("expected text without NUL characters")
    return found


def _readable(value: Any) -> Any:
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("expected text without NUL characters")
    return _or_none(value)


IN_JSON = WithJsonSchema({"type": "string", "contentMediaType": "application/json"})
Object = Annotated[dict[str, Any] | None, BeforeValidator(_parsed), IN_JSON]
Class = Annotated[str, Field(min_length=1, max_length=128)]
Classes = Annotated[
    list[Class] | None,
    Field(min_length=1, max_length=10_000),
    BeforeValidator(_parsed),
    IN_JSON,
]


class VersionIn(RequestModel):
    file: Annotated[
        Path,
        WithJsonSchema({"type": "string", "format": "binary"}),
        Field(
            description="ONNX, as one file whose tensors have a dynamic first dimension; or a "
            "safetensors state dict, with its `architecture`"
        ),
    ]
    task: Annotated[
        Literal["regression", "binary", "multiclass", "segmentation", "embedding"] | None,
        BeforeValidator(_or_none),
    ] = Field(None, description="If not given: `multiclass` with classes, else `regression`")
    classes: Classes = Field(
        None, description="A JSON list of their names, in the order of the output's columns"
    )
    architecture: Object = Field(
        None, description="JSON, as in a version's file `architecture.json`; only for a state dict"
    )
    signature: Object = Field(
        None,
        description="JSON, as in a version's file `signature.json`, of a state dict; may be left "
        "out for the nets `linear` and `mlp` of plain features. An ONNX file tells its own",
    )
    promote: Literal["never", "always", "if_better"] = Field(
        "never",
        description="When the version becomes the champion; the first certified one always does",
    )
    lineage: Annotated[str | None, BeforeValidator(_readable)] = Field(
        None, max_length=4096, description="In your words, where the model comes from"
    )
    metadata: Object = Field(None, description="A JSON object of yours; kept as it is")

    def to_service(self) -> NewImport:
        return NewImport(
            task=self.task,
            classes=self.classes,
            architecture=self.architecture,
            signature=self.signature,
            promote=self.promote,
            note=self.lineage,
            metadata=self.metadata,
        )
