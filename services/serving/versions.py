"""A version of a model as a serving process knows it: everything a request is checked against."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any

from models.backends import DEFAULT_ORDER, EVERY
from models.signature import Signature, TensorSpec
from services.db.tables import ModelVersion
from services.errors import Conflict, FieldError, Invalid
from services.promotion import automatic, certified
from services.registry import VersionView
from services.serving.v2_plans import Plans

AUTO = "auto"


class ServedVersion:
    """Built once for each version and state of the registry, and shared by all its requests."""

    def __init__(self, view: VersionView) -> None:
        row = view.row
        self.view = view
        self.row: ModelVersion = row
        self.name: str = row.name
        self.version: int = row.version
        self.signature = Signature.from_json(row.signature)
        self.inputs: dict[str, TensorSpec] = {spec.name: spec for spec in self.signature.inputs}
        self.outputs: dict[str, TensorSpec] = {spec.name: spec for spec in self.signature.outputs}
        self.dtypes = {spec.name: spec.dtype for spec in self.signature.inputs}
        self.plans = Plans()
        self.messages = Plans()
        """Those of gRPC, whose requests have a message's bytes where HTTP's have JSON."""
        self.takes_sequences: bool = self.signature.takes_sequences
        self.classes: list[str] | None = row.classes
        self.backends: tuple[str, ...] = _in_order(certified(row.backends))
        """Those that may answer, the generally fastest first."""
        self._automatic = _in_order(automatic(row.backends))

    @cached_property
    def _measured(self) -> list[tuple[int, str]]:
        """(batch size, fastest backend), by the latest benchmark on this host."""
        preferred: Mapping[str, str] = self.view.preferred_backend or {}
        return sorted(
            (int(size), name) for size, name in preferred.items() if name in self._automatic
        )

    @cached_property
    def _limits(self) -> list[float]:
        """The rows up to which each benchmarked size but the last is the nearest. Sizes are
        compared by ratio: 4 is as far from 1 as it is from 16."""
        return [math.sqrt(low * high) for (low, _), (high, _) in pairwise(self._measured)]

    @cached_property
    def auto_backends(self) -> tuple[str, ...]:
        """Those that `auto` picks, the one for single rows first; none if there is none."""
        sizes = (1, *(size for size, _ in self._measured))
        try:
            return tuple(dict.fromkeys(self.backend_for(AUTO, size) for size in sizes))
        except Conflict:
            return ()

    def is_of(self, view: VersionView) -> bool:
        """Whether `view` says of this version what is known of it here."""
        known = self.view
        return (
            view.row.backends == known.row.backends
            and view.aliases == known.aliases
            and view.preferred_backend == known.preferred_backend
        )

    def backend_for(self, wanted: str | None, rows: int) -> str:
        """The backend that answers a request of `rows` rows.

        `wanted` None or `auto` is the fastest at the nearest batch size that was benchmarked, or
        the first of the general order. Raises `Conflict` (`not_certified`) and `Invalid`.
        """
        if wanted is None or wanted == AUTO:
            if not self._automatic:
                raise self._refused("any backend")
            if not self._measured:
                return self._automatic[0]
            return self._measured[bisect_left(self._limits, rows)][1]
        if wanted in self.backends:
            return wanted
        if wanted not in EVERY:
            known = ", ".join([AUTO, *EVERY])
            message = f"expected one of {known}, got {wanted[:64]!r}"
            raise Invalid(
                f"there is no such backend: {message}",
                code="unknown_backend",
                errors=(FieldError("backend", message),),
            )
        raise self._refused(wanted)

    def _refused(self, wanted: str) -> Conflict:
        state: Mapping[str, Any] = self.row.backends.get(wanted, {})
        why = f" ({state['status']}: {state['reason']})" if state.get("reason") else ""
        allowed = ", ".join(self.backends) or "none"
        return Conflict(
            f"{self.name} version {self.version} is not certified for {wanted}{why}; "
            f"certified: {allowed}",
            code="not_certified",
        )


def _in_order(names: list[str]) -> tuple[str, ...]:
    """As in DEFAULT_ORDER; backends that it does not know come after, as they are."""
    known = [name for name in DEFAULT_ORDER if name in names]
    return (*known, *(name for name in names if name not in DEFAULT_ORDER and name in EVERY))
