"""The web page in a real browser, before a real stack."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import ROOT
from tests.torchkiln.upstack import Up, until
from torchkiln import Client
from torchkiln.errors import Conflict, NotAllowed

pytestmark = [pytest.mark.stack, pytest.mark.long]

SCRIPT = "<script>alert('metadata')</script><img src=x onerror=alert('picture')>"
QUICK = {"epochs": 3, "net": "mlp", "hidden": [16]}
ENDLESS = {"epochs": 100_000, "net": "mlp", "hidden": [16]}


@pytest.fixture(scope="module")
def published(stack: Up) -> dict[str, Any]:
    """Two versions of a model for pictures, of which the first is the champion."""
    with Client(stack.ready()) as client:
        jobs = [
            client.jobs.submit(
                "image-classification",
                params=QUICK,
                seed=seed,
                model="digits",
                metadata={"note": SCRIPT},
            )
            for seed in (1, 2)
        ]
        ended = [client.jobs.wait(job["id"]) for job in jobs]
        assert [job["status"] for job in ended] == ["succeeded", "succeeded"]
        return dict(ended[0])


@pytest.fixture(autouse=True)
def slot(stack: Up) -> Generator[None]:
    """Give the stack's one slot back, also where a test has failed in the middle."""
    yield
    with Client(stack.ready()) as client, suppress(NotAllowed):
        for job in client.jobs.list():
            with suppress(Conflict):  # it has ended
                client.jobs.kill(job["id"])


def epoch_shown(page: Page) -> int:
    said = page.locator("[data-chart=loss]").get_attribute("aria-label") or ""
    found = re.search(r"at epoch (\d+)", said)
    return int(found[1]) if found else 0


def curve(page: Page) -> str:
    """The path of the first line in the chart of the loss."""
    paths = page.locator("[data-chart=loss] svg path[fill=none]").evaluate_all(
        "paths => paths.map(path => path.getAttribute('d')).sort((a, b) => b.length - a.length)"
    )
    return paths[0] if paths else ""


def test_a_job_is_started_watched_and_cancelled(page: Page, client: Client, stack: Up) -> None:
    page.goto("/")
    page.get_by_role("button", name="New job").click()
    epochs = page.get_by_label("epochs", exact=True)
    epochs.fill("many")
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".q-field--error")).to_contain_text("expected")
    epochs.fill("100000")
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/jobs/job_*")

    until(lambda: epoch_shown(page) >= 1)
    first, drawn = epoch_shown(page), curve(page)
    until(lambda: epoch_shown(page) > first)
    until(lambda: curve(page) != drawn)

    # The service is away for a moment; the page says so, and goes on where it was.
    os.kill(stack.child("torchkiln: api"), signal.SIGKILL)
    expect(page.get_by_role("alert").filter(has_text="does not answer")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="does not answer")).to_be_hidden()
    later = epoch_shown(page)
    until(lambda: epoch_shown(page) > later)

    expect(page.get_by_role("button", name="Resume")).to_be_hidden()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".status-cancelled").first).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    assert client.jobs.get(page.url.rpartition("/")[2])["status"] == "cancelled"


def test_a_resumed_job_shows_both_attempts(page: Page, client: Client) -> None:
    job = client.jobs.submit("image-classification", params=ENDLESS, model="resumed")
    page.goto(f"/jobs/{job['id']}")
    until(lambda: epoch_shown(page) >= 1)
    page.get_by_role("button", name="Pause").click()
    # Sooner, a resume would take the pause back, and there would be no other attempt.
    expect(page.locator(".status-paused").first).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("[data-chart=loss] svg").get_by_text("attempt 2")).to_be_visible()
    page.get_by_role("button", name="Kill").click()
    page.get_by_role("button", name="Kill it").click()
    expect(page.locator(".status-cancelled").first).to_be_visible()


def test_what_users_write_stays_text(page: Page, published: dict[str, Any]) -> None:
    page.goto(f"/jobs/{published['id']}")
    expect(page.get_by_text(SCRIPT.split("'")[0]).first).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    picture = page.get_by_role("img", name="Confusion matrix").last
    picture.scroll_into_view_if_needed()
    until(lambda: picture.evaluate("image => image.naturalWidth") > 100)


def test_a_version_is_promoted(page: Page, client: Client, published: dict[str, Any]) -> None:
    page.goto("/models")
    page.get_by_role("link", name="digits", exact=True).click()
    expect(page.locator(".status-certified").first).to_be_visible()
    page.get_by_role("button", name="Promote version 2").click()
    expect(page.get_by_role("button", name="Promote version 1")).to_be_visible()
    assert client.models.get("digits")["aliases"]["champion"] == 2


def test_a_drawn_digit_is_predicted(page: Page, published: dict[str, Any]) -> None:
    page.goto("/models/digits")
    square = page.get_by_role("img", name="Square to draw a digit in")
    square.scroll_into_view_if_needed()
    box = square.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 110, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 112, box["y"] + 190, steps=6)
    page.mouse.up()
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("[data-prediction]")).to_have_text(re.compile(r"^\d$"))


def test_rows_are_predicted(page: Page, client: Client) -> None:
    job = client.jobs.submit("tabular-classification", params={"epochs": 20}, model="wines")
    assert client.jobs.wait(job["id"])["status"] == "succeeded"
    page.goto("/models/wines")
    rows = page.get_by_role("textbox", name="Rows")
    expect(rows).to_have_value(re.compile("14.23"))  # the first row of the data
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("[data-prediction]")).to_have_text("class_0")
    rows.fill("[[1]]")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator(".q-notification")).to_contain_text("13")


def test_the_system_is_shown_and_nothing_is_fetched_elsewhere(page: Page, address: str) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(httpx.URL(request.url).netloc.decode()))
    page.goto("/system")
    expect(page.get_by_text("database: ok")).to_be_visible()
    expect(
        page.get_by_role("cell", name="0 of 1").or_(page.get_by_role("cell", name="1 of 1"))
    ).to_be_visible()
    assert asked - {"", httpx.URL(address).netloc.decode()} == set()


def test_other_pages_and_other_names_are_refused(address: str, page: Page) -> None:
    assert httpx.get(address).status_code == 200
    assert httpx.get(address, headers={"Host": "rebound.example"}).status_code == 403
    evil = {"Origin": "http://localhost:1"}
    assert httpx.post(f"{address}/_nicegui_ws/socket.io/", headers=evil).status_code == 403
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    live = f"{address}/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    assert httpx.get(live, headers=handshake | evil).status_code == 403


def test_a_key_is_asked_for_and_forgotten(page: Page, stack: Up) -> None:
    """The last test of this file: from here on its stack has keys."""
    command = [sys.executable, "-m", "torchkiln", "keys", "create", "browser"]
    made = subprocess.run(
        [*command, "--data-dir", str(stack.data_dir)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    secret = made.stdout.strip()

    page.goto("/system")
    page.wait_for_url("**/key?back=*")
    field = page.get_by_label("Key, tk_…")
    field.fill("tk_nobody_has_this_one")
    page.get_by_role("button", name="Use this key").click()
    expect(page.get_by_text("unknown or revoked")).to_be_visible()
    field.fill(secret)
    page.get_by_role("button", name="Use this key").click()
    page.wait_for_url("**/system")
    expect(page.get_by_text("database: ok")).to_be_visible()

    cookies = page.context.cookies()
    assert all(cookie["httpOnly"] and secret not in cookie["value"] for cookie in cookies)
    logs = (stack.data_dir / "logs/dashboard.log").read_text()
    assert secret not in logs + stack.errors
    page.get_by_role("link", name="Key").click()
    page.get_by_role("button", name="Forget the key").click()
    page.wait_for_url("**/key?back=*")
