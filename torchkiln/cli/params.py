"""Params as they are typed on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import orjson
import typer


def parse_params(pairs: Sequence[str], file: Path | None) -> dict[str, Any]:
    """`["epochs=5", "optimizer.lr=0.01"]` → `{"epochs": 5, "optimizer": {"lr": 0.01}}`.

    A value that is not JSON is a word. Pairs go before what the JSON file says.
    Raises `typer.BadParameter`.
    """
    params = _read(file) if file else {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not all(name.split(".")):
            raise typer.BadParameter(f"expected NAME=VALUE, got {pair!r}")
        *parents, last = name.split(".")
        place = params
        for parent in parents:
            inner = place.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise typer.BadParameter(f"{name}: {parent} is given as a value, too")
            place = cast(dict[str, Any], inner)
        place[last] = _value(text)
    return params


def _read(file: Path) -> dict[str, Any]:
    try:
        params: object = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise typer.BadParameter(f"{file} is not JSON: {error}") from error
    if not isinstance(params, dict):
        raise typer.BadParameter(f"{file}: expected a JSON object of params")
    return cast(dict[str, Any], params)


def _value(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
