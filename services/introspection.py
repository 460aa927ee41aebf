"""Looking into a version of a model: its layers, their weights, what passes through them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from models.backends.eager import ARCHITECTURE, EagerBackend
from models.errors import CannotInspect, ExportFailed, LayerNotFound
from models.inspection.requests import Format, Inspection, Operation
from models.rows import Tensors
from services.errors import Conflict, FieldError, Invalid, NotFound, Unavailable
from services.inspector import Inspector
from services.registry import Registry
from services.serving.prediction import decode
from services.serving.versions import ServedVersion
from services.serving.watch import RegistryWatch

MAX_ROWS = 64
"""That features are taken of in one request."""
OBJECTS: Mapping[Operation, str] = {
    "summary": "model_summary",
    "activations": "activations",
    "gradients": "gradients",
    "features": "features",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Body:
    """Rows as a prediction takes them: JSON, a picture, a table."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class Wanted:
    """What to look at, and how to show it."""

    operation: Operation
    layer: str | None = None
    target: str | None = None
    format: Format = "json"


class Introspection:
    def __init__(self, registry: Registry, watch: RegistryWatch, inspector: Inspector) -> None:
        self._registry = registry
        self._watch = watch
        self._inspector = inspector

    async def look(self, name: str, ref: str, wanted: Wanted, body: Body | None = None) -> bytes:
        """JSON, or a PNG if `wanted` says so. `ref` is a number or an alias.

        Raises `NotFound` (`model_not_found`, `version_not_found`, `layer_not_found`), `Conflict`
        (`no_state_dict`), `Invalid`, `TooLarge`, `Unsupported`, `Busy` and `Unavailable`.
        """
        if wanted.format == "png" and not wanted.layer:
            raise _invalid("layer", "expected the layer to draw, because format is png, got none")
        served = await self._watch.locate(name, ref)
        _check_files(served)
        inputs = {} if body is None else await _rows(body, served, wanted.operation)
        try:
            return await self._inspector.inspect(await self._request(served, wanted, inputs))
        except LayerNotFound as error:
            raise NotFound(str(error), code=error.code, errors=_fields(error)) from None
        except CannotInspect as error:
            raise Invalid(str(error), code=error.code, errors=_fields(error)) from None
        except ExportFailed as error:
            log.error("version_not_opened", model=name, version=served.version, reason=str(error))
            raise Unavailable(f"{_title(served)} cannot be loaded", code="load_failed") from None

    async def _request(self, served: ServedVersion, wanted: Wanted, inputs: Tensors) -> Inspection:
        about: dict[str, Any] = {
            "object": OBJECTS.get(wanted.operation),
            "model": served.name,
            "version": served.version,
        }
        return Inspection(
            wanted.operation,
            await asyncio.to_thread(self._registry.directory, served.row),
            served.signature,
            served.classes,
            inputs,
            wanted.layer,
            wanted.target,
            wanted.format,
            about,
        )


def _check_files(served: ServedVersion) -> None:
    """Certificates are not asked for: what cannot be served may still be looked into."""
    names = {file["name"] for file in served.row.files}
    if not {ARCHITECTURE, EagerBackend.file} <= names:
        raise Conflict(
            f"{_title(served)} has no state dict of a known architecture, which looking into its "
            f"layers needs; it has {', '.join(sorted(names)) or 'no files'}",
            code="no_state_dict",
        )


async def _rows(body: Body, served: ServedVersion, operation: Operation) -> Tensors:
    inputs, count = await decode(body.content, body.media_type, served)
    if operation != "features" and count != 1:
        raise _invalid("inputs", f"expected one row, got {count}")
    if not 1 <= count <= MAX_ROWS:
        raise _invalid("inputs", f"expected 1 to {MAX_ROWS} rows, got {count}")
    return inputs


def _fields(error: CannotInspect) -> tuple[FieldError, ...]:
    return () if error.field is None else (FieldError(error.field, str(error)),)


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(
        f"{field}: {message}", code="invalid_input", errors=(FieldError(field, message),)
    )


def _title(served: ServedVersion) -> str:
    return f"{served.name} version {served.version}"
