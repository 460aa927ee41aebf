"""Predictions: `/v1` for people's data, `/v2` (Open Inference Protocol) for tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torchkiln.client.transport import Transport, path
from torchkiln.types import Array, Inference, InferTensor, Json, Prediction, Rows


class Predictions:
    """Mixed into the client, because `client.predict(…)` is what one wants to write."""

    _transport: Transport

    def predict(
        self,
        model: str,
        rows: Rows,
        *,
        version: int | str | None = None,
        backend: str = "auto",
    ) -> Prediction:
        """Predict rows of raw features: nested lists or an array, the batch dimension first.

        `version` is a number or an alias, the champion by default; `backend` is `auto`, `eager`,
        `torchscript`, `onnxruntime`, `torchexport` or a variant. Raises `Invalid` for a wrong
        shape, `Overloaded` when the service asks to come back later.
        """
        url = f"{_predict_path(model, version)}?backend={backend}"
        return cast(Prediction, self._transport.post(url, {"inputs": rows}))

    def predict_image(
        self,
        model: str,
        image: bytes,
        *,
        media_type: str = "image/png",
        version: int | str | None = None,
        backend: str = "auto",
    ) -> Prediction:
        """Predict one PNG or JPEG; the service resizes it to what the model takes."""
        return self._send_body(model, image, media_type, version, backend)

    def predict_csv(
        self,
        model: str,
        table: str | bytes,
        *,
        version: int | str | None = None,
        backend: str = "auto",
    ) -> Prediction:
        """Predict the rows of a CSV table; its header names the features."""
        body = table.encode() if isinstance(table, str) else table
        return self._send_body(model, body, "text/csv", version, backend)

    def infer(
        self,
        model: str,
        inputs: Sequence[InferTensor],
        *,
        version: int | str | None = None,
        backend: str | None = None,
    ) -> Inference:
        """Inference by `/v2/models/{model}/infer` with JSON tensors (see `tensor`)."""
        body: Json = {"inputs": list(inputs)}
        if backend is not None:
            body["parameters"] = {"backend": backend}
        at_version = () if version is None else ("versions", version)
        url = path("v2", "models", model, *at_version, "infer")
        return cast(Inference, self._transport.post(url, body))

    def _send_body(
        self, model: str, body: bytes, media_type: str, version: int | str | None, backend: str
    ) -> Prediction:
        answer = self._transport.send(
            "POST",
            _predict_path(model, version),
            params={"backend": backend},
            content=body,
            headers={"Content-Type": media_type},
        )
        return cast(Prediction, answer)


def tensor(name: str, datatype: str, rows: Rows) -> InferTensor:
    """A tensor of the Open Inference Protocol from an array, or nested lists of equal lengths.

    Raises `ValueError` for lists that are no rectangular array.
    """
    shape: list[int] = []
    flat: list[Any] = rows.tolist() if isinstance(rows, Array) else list(rows)
    shape.append(len(flat))
    while flat and isinstance(flat[0], list):
        width = len(cast(list[Any], flat[0]))
        if any(not isinstance(row, list) or len(cast(list[Any], row)) != width for row in flat):
            raise ValueError(f"{name}: lists of unequal lengths at depth {len(shape)}")
        shape.append(width)
        flat = [value for row in flat for value in row]
    return {"name": name, "shape": shape, "datatype": datatype, "data": flat}


def _predict_path(model: str, version: int | str | None) -> str:
    return path("v1", "models", model if version is None else f"{model}@{version}", "predict")
