"""Which version of a model becomes its champion, the one that is served by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHAMPION = "champion"

FIGURES_OF_MERIT: tuple[tuple[str, int], ...] = (
    ("test_accuracy", +1),
    ("test_r2", +1),
    ("test_mse", -1),
    ("test_loss", -1),
)
"""The metric that two versions are compared by: the first that both have, and its sense."""


def certified(backends: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The backends that may be served: those whose certificate holds."""
    return [name for name, state in backends.items() if state["status"] == "certified"]


def automatic(backends: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Those of them that `auto` may pick: a variant of fewer bits only where the version's owner
    allows it, and any other unless its owner keeps it back."""
    return [name for name in certified(backends) if backends[name].get("auto", True)]


def is_better(new: Mapping[str, float], old: Mapping[str, float]) -> bool:
    """Whether `new` beats `old`; a tie or nothing to compare keeps the old champion."""
    for name, sense in FIGURES_OF_MERIT:
        if name in new and name in old:
            return sense * new[name] > sense * old[name]
    return False


def becomes_champion(
    promote: str,
    backends: Mapping[str, Mapping[str, Any]],
    metrics: Mapping[str, float],
    *,
    champion_metrics: Mapping[str, float] | None,
    first: bool,
) -> bool:
    """The rule of the contract: the first certified version by itself, a later one by `promote`.

    `champion_metrics` is None where there is no champion: nobody has been certified yet, or an
    operator took the alias away, which only `promote` may undo.
    """
    if not automatic(backends):
        return False
    if first or promote == "always":
        return True
    if promote != "if_better":
        return False
    return champion_metrics is None or is_better(metrics, champion_metrics)
