"""Which clients, and which of their calls, the tests run against a server: `docs/clients.md`.

A test says so by a marker, `@pytest.mark.client("tritonclient.http", "infer, gzip")`, and a third
word where the right outcome is a refusal: `"501"`. The marks are read from the source, so that the
page can be checked without running anything; `python -m tests.support.clients_table` runs the tests
that have one, and writes the page if all of them pass.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
CLIENTS = TESTS.parent / ".venv-clients"
KSERVE_PYTHON = CLIENTS / "bin/python"
"""Where `make clients` puts it."""

WORKS = "works"
HEAD = "| client | version | call | result |"
RULE = "|---|---|---|---|"


class Row(NamedTuple):
    client: str
    feature: str
    result: str = WORKS


def written(page: str) -> set[Row]:
    """The rows of the page's table, without the versions, which differ from machine to machine."""
    lines = page.partition(f"{HEAD}\n{RULE}\n")[2].partition("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {Row(client, feature, result) for client, _, feature, result in cells}


def marked(root: Path = TESTS) -> set[Row]:
    """Every mark in the source of the tests; each is written as plain strings."""
    return {row for path in root.rglob("*.py") for row in _marks(path.read_text())}


def _marks(source: str) -> Iterator[Row]:
    if "mark.client(" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("pytest.mark.client"):
            yield Row(*(ast.literal_eval(argument) for argument in node.args))
