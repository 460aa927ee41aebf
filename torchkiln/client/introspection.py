"""Inside a version: its layers, their weights, what passes through them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict, cast

from torchkiln.client.transport import Transport, json_content, path
from torchkiln.types import Json, Rows


class ModuleSummary(TypedDict):
    name: str
    type: str
    calls: int
    output_shape: list[int] | None
    parameters: int
    trainable: bool | None


class ModelSummary(TypedDict):
    model: str
    version: int
    modules: list[ModuleSummary]
    parameters: int
    trainable_parameters: int
    size_bytes: int
    text: str


class Activations(TypedDict):
    """`layers`: name, type, shape; mean, std, min, max, zero_share."""

    model: str
    version: int
    layers: list[Json]


class Gradients(TypedDict):
    """`of`: the number differentiated. `layers` and `parameters`: norm, mean, std, max_abs."""

    model: str
    version: int
    of: Json
    layers: list[Json]
    parameters: list[Json]


class Features(TypedDict):
    """`shape` is that of the layer's output before it was flattened to `features`."""

    model: str
    version: int
    layer: str
    shape: list[int]
    features: list[list[float]]


class Introspection:
    """Mixed into `client.models`.

    `inputs` are rows, the batch dimension first, or the bytes of a picture or a CSV table, with
    their `media_type`. A layer has a dotted name, as `summary` lists them.
    """

    _transport: Transport

    def summary(self, name: str, version: int | str = "champion") -> ModelSummary:
        """The modules with output shapes and parameter counts; `text` is a table to print."""
        return cast(ModelSummary, self._transport.get(_path(name, version, "summary")))

    def weights(self, name: str, version: int | str, layer: str, target: Path) -> Path:
        """Fetch a picture of a layer's weights, a PNG, into the file `target`."""
        return self._transport.download(_path(name, version, "weights", f"{layer}.png"), target)

    def activations(
        self,
        name: str,
        version: int | str,
        inputs: Rows | bytes,
        *,
        layer: str | None = None,
        media_type: str = "image/png",
    ) -> Activations:
        """Statistics of what each layer gives for one row, or of one `layer`."""
        url = _path(name, version, "activations")
        return cast(Activations, self._post(url, inputs, media_type, layer=layer))

    def gradients(
        self,
        name: str,
        version: int | str,
        inputs: Rows | bytes,
        *,
        layer: str | None = None,
        target: str | None = None,
        media_type: str = "image/png",
    ) -> Gradients:
        """How the probability of the class `target`, the most probable one by default, hangs on
        each layer and parameter, for one row."""
        url = _path(name, version, "gradients")
        return cast(Gradients, self._post(url, inputs, media_type, layer=layer, target=target))

    def features(
        self,
        name: str,
        version: int | str,
        inputs: Rows | bytes,
        layer: str,
        *,
        media_type: str = "image/png",
    ) -> Features:
        """Embeddings: what `layer` makes of each row, flattened."""
        url = _path(name, version, "features")
        return cast(Features, self._post(url, inputs, media_type, layer=layer))

    def draw_activations(
        self,
        name: str,
        version: int | str,
        inputs: Rows | bytes,
        layer: str,
        *,
        media_type: str = "image/png",
    ) -> bytes:
        """What `layer` gives for one row, as a PNG."""
        return self._draw(_path(name, version, "activations"), inputs, media_type, layer=layer)

    def draw_gradients(
        self,
        name: str,
        version: int | str,
        inputs: Rows | bytes,
        layer: str,
        *,
        target: str | None = None,
        media_type: str = "image/png",
    ) -> bytes:
        """The gradient by what `layer` gives for one row, as a PNG."""
        url = _path(name, version, "gradients")
        return self._draw(url, inputs, media_type, layer=layer, target=target)

    def _post(self, url: str, inputs: Rows | bytes, media_type: str, **params: str | None) -> Any:
        body = _body(inputs, media_type)
        return self._transport.send("POST", url, params=_given(params), **body)

    def _draw(self, url: str, inputs: Rows | bytes, media_type: str, **params: str | None) -> bytes:
        asked = {**_given(params), "format": "png"}
        body = _body(inputs, media_type)
        with self._transport.stream("POST", url, params=asked, **body) as response:
            return response.read()


def _body(inputs: Rows | bytes, media_type: str) -> dict[str, Any]:
    if isinstance(inputs, bytes):
        return {"content": inputs, "headers": {"Content-Type": media_type}}
    return json_content({"inputs": inputs})


def _given(params: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in params.items() if value is not None}


def _path(name: str, version: int | str, *parts: str) -> str:
    return path("v1", "models", name, "versions", version, *parts)
