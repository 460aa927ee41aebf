"""The two kinds of stack that everything here is done to."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.chaos.figures import Figures
from tests.chaos.stacks import EMBEDDED, REDIS, SERVERS, Stack, embedded, servers
from tests.support import postgres


@pytest.fixture
def small(tmp_path: Path) -> Generator[Stack]:
    """The embedded kind, for the short forms."""
    with embedded(tmp_path) as stack:
        yield stack


@pytest.fixture(params=[EMBEDDED, SERVERS])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Stack]:
    """Either kind, for the long forms. What is not installed fails: figures are not left out."""
    if request.param == EMBEDDED:
        with embedded(tmp_path) as made:
            yield made
        return
    bin_dir = postgres.binaries()
    assert bin_dir, "PostgreSQL is not installed (Debian: postgresql)"
    assert REDIS, "Redis is not installed (Debian: redis-server)"
    with servers(tmp_path, bin_dir, Path(REDIS)) as made:
        yield made


@pytest.fixture
def figures(stack: Stack, capsys: pytest.CaptureFixture[str]) -> Figures:
    """Where a long form writes what it has found."""
    return Figures(stack.kind, capsys)
