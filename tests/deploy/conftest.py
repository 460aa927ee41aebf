from __future__ import annotations

import pytest

from tests.support.kubernetes import OVERLAYS, Rendered


@pytest.fixture(scope="session", params=OVERLAYS)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return Rendered(request.param)
