"""`python -m tests.support.clients_table`: run the clients' tests, and write docs/clients.md.

Only what passes has a row. A test that fails or is skipped ends it with its name and no page.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path

import pytest

from tests.support.clients import HEAD, KSERVE_PYTHON, RULE, Row, marked

PAGE = Path(__file__).parents[2] / "docs/clients.md"
START = "<!-- made by `make docs-clients` -->\n"
"""All behind it is written here, all before it by people."""


APART = {"kserve": "kserve", "perf_analyzer": "tritonclient"}
"""Clients in the environment of their own, by the package that has them."""


class Outcomes:
    """A plugin of pytest that keeps which rows passed, and what did not."""

    def __init__(self) -> None:
        self.rows: set[Row] = set()
        self.missing: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if report.skipped or report.failed:
            self.missing.append(f"{report.nodeid}: {report.outcome} in {report.when}")
        elif report.when == "call":
            self.rows |= {Row(*mark.args) for mark in item.iter_markers("client")}
        return report


def main() -> int:
    outcomes = Outcomes()
    code = pytest.main(["-q", "-m", "client", "-p", "no:cacheprovider"], plugins=[outcomes])
    if code or outcomes.missing or outcomes.rows != marked():
        sys.stderr.write("\n".join(["not written:", *outcomes.missing, ""]))
        return int(code) or 1
    by_people = PAGE.read_text().partition(START)[0]
    PAGE.write_text(by_people + START + table(outcomes.rows))
    return 0


def table(rows: Iterable[Row]) -> str:
    day = datetime.now(UTC).date().isoformat()
    lines = [f"\n{day}, Python {sys.version.partition(' ')[0]}.\n", HEAD, RULE]
    lines += [
        f"| {row.client} | {version_of(row.client)} | {row.feature} | {row.result} |"
        for row in sorted(rows)
    ]
    return "\n".join([*lines, "", ""]).rstrip("\n") + "\n"


def version_of(client: str) -> str:
    if client == "curl":
        return _printed("curl", "--version").split()[1]
    if package := APART.get(client):
        code = f"from importlib.metadata import version; print(version({package!r}))"
        return _printed(str(KSERVE_PYTHON), "-c", code)
    return installed(client.partition(".")[0])


def _printed(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
