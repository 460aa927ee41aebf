"""What a client asks for when it submits a job, and what can be wrong with that."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import orjson

from services.errors import FieldError, Invalid
from services.ids import is_name

DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
PROMOTIONS = ("never", "always", "if_better")
MAX_WORLD_SIZE = 64
"""Processes of one job, all of them on one host."""
MAX_METADATA_BYTES = 16_384
MAX_DEPTH = 32
"""Levels of objects and lists in `params` and `metadata`; what handles them is recursive."""


@dataclass(frozen=True)
class NewJob:
    """What a client asks for. `params` holds only what differs from the defaults."""

    pipeline: str
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    dataset: str | None = None
    model: str | None = None
    device: str = "auto"
    world_size: int = 1
    priority: int = 5
    seed: int = 0
    promote: str = "never"
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        """Raises `Invalid` for what is nested so deep that nothing else may look at it."""
        for name in ("params", "metadata"):
            if not is_shallow(getattr(self, name)):
                message = f"expected at most {MAX_DEPTH} levels of nesting, got more"
                raise Invalid(
                    "the job cannot be run as it stands", errors=(FieldError(name, message),)
                )

    def sha256(self) -> str:
        """Equal for requests that ask for the same."""
        return hashlib.sha256(orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)).hexdigest()


def is_shallow(value: object) -> bool:
    """Whether it has at most MAX_DEPTH levels."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _members(outer)]
        if not level:
            return True
    return False


def _members(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast(dict[str, object], value).values()
    return cast(list[object], value) if isinstance(value, list) else ()


def problems(new: NewJob) -> list[FieldError]:
    """What is wrong with the fields that every job has."""
    fits, devices = DEVICE.fullmatch(new.device), "auto, cpu, cuda or cuda:N"
    if new.world_size > 1:  # the processes need a GPU each
        fits, devices = fits and ":" not in new.device, "auto, cpu or cuda with a world_size"
    checks = {
        "device": (fits, f"expected {devices}, got {new.device!r}"),
        "world_size": (
            1 <= new.world_size <= MAX_WORLD_SIZE,
            f"expected 1 to {MAX_WORLD_SIZE}, got {new.world_size}",
        ),
        "priority": (0 <= new.priority <= 9, f"expected 0 to 9, got {new.priority}"),
        "seed": (0 <= new.seed < 2**32, f"expected 0 to 4294967295, got {new.seed}"),
        "promote": (
            new.promote in PROMOTIONS,
            f"expected never, always or if_better, got {new.promote!r}",
        ),
        "model": (
            new.model is None or is_name(new.model),
            "expected up to 64 letters, digits, dots, dashes and underscores",
        ),
        "metadata": (
            len(orjson.dumps(new.metadata)) <= MAX_METADATA_BYTES,
            f"expected at most {MAX_METADATA_BYTES} bytes of JSON",
        ),
    }
    return [FieldError(name, message) for name, (fine, message) in checks.items() if not fine]
