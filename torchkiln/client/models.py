"""Published models: versions, aliases, files, and what is inside of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from torchkiln.client.introspection import Introspection
from torchkiln.client.transport import Transport, path
from torchkiln.types import File, Model, ModelVersion

IMPORT_S = 300.0
"""How long the answer to an import is waited for: the model is run, or exported, meanwhile."""


class Models(Introspection):
    """`client.models`. A version is named by its number or by an alias, such as `champion`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int | None = None, after: str | None = None) -> list[Model]:
        found = self._transport.get("/v1/models", limit=limit, after=after)
        return cast(list[Model], found["data"])

    def get(self, name: str) -> Model:
        return cast(Model, self._transport.get(path("v1", "models", name)))

    def versions(
        self, name: str, *, limit: int | None = None, after: str | int | None = None
    ) -> list[ModelVersion]:
        """The versions of a model, newest first."""
        url = path("v1", "models", name, "versions")
        return cast(list[ModelVersion], self._transport.get(url, limit=limit, after=after)["data"])

    def version(self, name: str, version: int | str) -> ModelVersion:
        url = path("v1", "models", name, "versions", version)
        return cast(ModelVersion, self._transport.get(url))

    def import_version(
        self,
        name: str,
        file: Path,
        *,
        task: str | None = None,
        classes: Sequence[str] | None = None,
        architecture: Mapping[str, Any] | None = None,
        signature: Mapping[str, Any] | None = None,
        promote: Literal["never", "always", "if_better"] = "never",
        lineage: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> ModelVersion:
        """Import a model that was trained elsewhere. → the new version of `name`, certified.

        `file` is ONNX; with an `architecture`, as in a version's `architecture.json`, it is a
        safetensors state dict for that. `lineage` says in your words where it comes from. Raises
        `Invalid` that names the tensor or operator at fault.
        """
        fields = {
            "task": task,
            "classes": _json(None if classes is None else list(classes)),
            "architecture": _json(architecture),
            "signature": _json(signature),
            "promote": promote,
            "lineage": lineage,
            "metadata": _json(metadata),
        }
        given = {key: value for key, value in fields.items() if value is not None}
        with file.open("rb") as stream:
            answer = self._transport.send(
                "POST",
                path("v1", "models", name, "versions"),
                data=given,
                files={"file": (file.name, stream)},
                timeout=IMPORT_S,
            )
        return cast(ModelVersion, answer)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias at a version. Raises `Conflict` (`not_certified`) if it may not serve."""
        self._transport.put(path("v1", "models", name, "aliases", alias), {"version": version})

    def delete_alias(self, name: str, alias: str) -> None:
        self._transport.send("DELETE", path("v1", "models", name, "aliases", alias))

    def delete_version(self, name: str, version: int | str) -> None:
        """Delete a version and its files. Raises `Conflict` while an alias points at it."""
        self._transport.send("DELETE", path("v1", "models", name, "versions", version))

    def files(self, name: str, version: int | str) -> list[File]:
        url = path("v1", "models", name, "versions", version, "files")
        return cast(list[File], self._transport.whole_list(url, "name"))

    def download(self, name: str, version: int | str, file: File, target: Path) -> Path:
        """Fetch a file, as `files` listed it, into the file `target`."""
        url = path("v1", "models", name, "versions", version, "files", file["name"])
        return self._transport.download(url, target, sha256=file["sha256"])


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value)
