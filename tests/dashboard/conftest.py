"""A whole stack with its web page, and a browser to look at it."""

from __future__ import annotations

import re
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import chromium
from tests.torchkiln.upstack import DEADLINE_S, Up, until
from torchkiln import Client
from torchkiln.supervisor.ports import free_port

ROOT = Path(__file__).parents[2]
SAID = re.compile(r"the web page is at (http://\S+)")

expect.set_options(timeout=DEADLINE_S * 1000)


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """Playwright keeps an event loop of its own in this thread, so no longer than needed."""
    with chromium.running() as made:
        yield made


@pytest.fixture(scope="module")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Generator[Up]:
    port = str(free_port())
    up = Up(ROOT, tmp_path_factory.mktemp("page") / "data", TORCHKILN_DASHBOARD_PORT=port)
    try:
        up.ready()
        yield up
        assert up.stop() == 0
        until(lambda: not up.users())
    finally:
        if up.process.poll() is None:
            up.process.send_signal(signal.SIGKILL)
            up.process.wait()


@pytest.fixture(scope="module")
def address(stack: Up) -> str:
    """The web page's own, as `up` says it."""
    found = SAID.search(stack.errors)
    assert found is not None, stack.errors
    return found[1]


@pytest.fixture
def client(stack: Up) -> Generator[Client]:
    with Client(stack.ready()) as made:
        yield made


@pytest.fixture
def page(browser: Browser, address: str) -> Generator[Page]:
    """A tab of its own, in which nothing may go wrong unseen."""
    problems: list[str] = []
    context = browser.new_context(base_url=address, viewport={"width": 1200, "height": 900})
    context.set_default_timeout(DEADLINE_S * 1000)
    tab = context.new_page()
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
    until(lambda: _answers(tab), lambda: address)
    yield tab
    context.close()
    assert problems == []


def _answers(tab: Page) -> bool:
    """`up` does not wait for the page's process."""
    try:
        return tab.request.get("/healthz").ok
    except Exception as error:
        if "ECONNREFUSED" not in str(error):
            raise
        return False
