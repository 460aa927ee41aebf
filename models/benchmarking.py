"""One benchmark of a published version: load its backends, time them together, close them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from models.backends import EVERY
from models.backends.base import Backend, Runner
from models.latency import environment, measure, winners
from models.rows import Tensors, synthetic
from models.signature import Signature
from models.tuning import Choice, Tuner

REFERENCE = "eager"


def certified(entries: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Which backends of a version may be served and timed, from the contract's `backends`."""
    return [name for name in EVERY if entries.get(name, {}).get("status") == "certified"]


def benchmark(
    directory: Path,
    signature: Signature,
    *,
    backends: Sequence[str],
    batch_sizes: Sequence[int] = (1, 8, 32),
    threads: int | None = None,
    min_time_s: float = 1.0,
    seed: int = 0,
    rows: Tensors | None = None,
    table: Mapping[str, Backend] = EVERY,
    tuner: Tuner | None = None,
) -> dict[str, Any]:
    """Time `backends` (names, each certified) of the version in `directory`.

    Without `rows`, made-up ones in the model's own range. Eager is loaded as the reference for
    `max_abs_error` even where it is not timed, if its files are there. Without `threads`, a `tuner`
    loads each as a serving process of this host would, so that what is compared is what will be
    served; `environment.loaded` says how. Returns the contract's `results`, `environment` and
    `winners`. Raises `ExportFailed` where a backend cannot be loaded.
    """
    if rows is None:
        rows = synthetic(signature, max(batch_sizes), seed=seed, directory=directory)
    loaded = [*backends]
    if REFERENCE not in loaded and (directory / table[REFERENCE].file).is_file():
        loaded.append(REFERENCE)
    with ExitStack() as stack:
        runners: dict[str, Runner] = {}
        choices: dict[str, Choice] = {}
        for name in loaded:
            if tuner is None or threads is not None:
                choices[name] = Choice(threads)
                runners[name] = table[name].load(directory, signature, threads=threads)
            else:
                opened = tuner.open(table[name], directory, signature)
                runners[name], choices[name] = opened.runner, opened.choice
            stack.callback(runners[name].close)
        results = measure(
            runners,
            rows,
            batch_sizes=batch_sizes,
            min_time_s=min_time_s,
            seed=seed,
            reference=REFERENCE,
            only=backends,
        )
    return {
        "results": results,
        "environment": {
            **environment(threads),
            "loaded": {name: choice.to_json() for name, choice in choices.items()},
        },
        "winners": winners(results),
    }
