"""What a client asks for when it submits a job, and what can be wrong with that."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import orjson

from services.errors import FieldError, Invalid
from services.ids import is_name

DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
PROMOTIONS = ("never", "always", "if_better")
MAX_WORLD_SIZE = 64
"""Processes of one job, on all of its hosts together."""
MAX_RUNTIME_S = 1e9
MAX_STEPS = 2**53
"""Beyond either nothing ever comes, and every client's numbers are exact up to there."""
LATER: Mapping[str, object] = {"stop": {}, "webhook": None, "hosts": 1, "min_world_size": None}
"""Fields that count in a request's digest only where they are not this: keys are remembered for
ever, and those of older requests hold."""
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
    hosts: int = 1
    """Over how many workers the processes are spread, as many on each."""
    min_world_size: int | None = None
    """With how many processes it goes on where there are no more hosts; None: only with all."""
    priority: int = 5
    seed: int = 0
    promote: str = "never"
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    stop: dict[str, Any] = field(default_factory=dict[str, Any])
    """`max_runtime_s`, `max_steps`: those that are given."""
    webhook: str | None = None

    def __post_init__(self) -> None:
        """Raises `Invalid` for what is nested so deep that nothing else may look at it."""
        if found := nested_too_deep(params=self.params, metadata=self.metadata):
            raise Invalid("the job cannot be run as it stands", errors=found)

    def sha256(self) -> str:
        """Equal for requests that ask for the same, those of before there was `LATER` included."""
        asked = {
            name: value
            for name, value in asdict(self).items()
            if name not in LATER or value != LATER[name]
        }
        return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()


def nested_too_deep(**fields: object) -> tuple[FieldError, ...]:
    message = f"expected at most {MAX_DEPTH} levels of nesting, got more"
    deep = [name for name, value in fields.items() if not is_shallow(value)]
    return tuple(FieldError(name, message) for name in deep)


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
    runtime_s, steps = new.stop.get("max_runtime_s"), new.stop.get("max_steps")
    checks = {
        "device": (fits, f"expected {devices}, got {new.device!r}"),
        "world_size": (
            1 <= new.world_size <= MAX_WORLD_SIZE,
            f"expected 1 to {MAX_WORLD_SIZE}, got {new.world_size}",
        ),
        **_spread(new),
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
        "stop.max_runtime_s": (
            runtime_s is None or 0 < runtime_s <= MAX_RUNTIME_S,
            f"expected more than 0, at most {MAX_RUNTIME_S:.0f} s, got {runtime_s}",
        ),
        "stop.max_steps": (
            steps is None or 1 <= steps <= MAX_STEPS,
            f"expected 1 to {MAX_STEPS}, got {steps}",
        ),
        "metadata": (
            len(orjson.dumps(new.metadata)) <= MAX_METADATA_BYTES,
            f"expected at most {MAX_METADATA_BYTES} bytes of JSON",
        ),
    }
    return [FieldError(name, message) for name, (fine, message) in checks.items() if not fine]


def _spread(new: NewJob) -> Mapping[str, tuple[bool, str]]:
    """Of each field that says where the processes run: whether it is fine, and else what to say."""
    if new.world_size < 1:  # which says enough
        return {}
    divides = 1 <= new.hosts <= new.world_size and new.world_size % new.hosts == 0
    least = new.world_size if new.min_world_size is None else new.min_world_size
    step = new.world_size // new.hosts if divides else 1
    return {
        "hosts": (
            divides,
            f"expected a divisor of the world_size, {new.world_size}, got {new.hosts}",
        ),
        "min_world_size": (
            step <= least <= new.world_size and least % step == 0,
            f"expected a multiple of {step}, the processes of a host, up to the world_size, "
            f"{new.world_size}, got {least}",
        ),
    }
