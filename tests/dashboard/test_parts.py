"""Sessions, values as people read them, and what the process refuses to start with."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dashboard import format as fmt
from dashboard import sessions
from dashboard.sessions import Sessions

ROOT = Path(__file__).parents[2]


def test_a_key_is_kept_until_it_is_forgotten_or_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Sessions()
    assert kept.key("a") is None
    kept.remember("a", "tk_a")
    kept.remember("b", "tk_b")
    assert (kept.key("a"), kept.key("b")) == ("tk_a", "tk_b")
    kept.forget("a")
    assert kept.key("a") is None
    monkeypatch.setattr(sessions, "IDLE_S", -1.0)
    assert kept.key("b") is None


def test_the_longest_unused_keys_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST", 2)
    kept = Sessions()
    kept.remember("a", "tk_a")
    kept.remember("b", "tk_b")
    kept.key("a")
    kept.remember("c", "tk_c")
    assert [kept.key(name) for name in "abc"] == ["tk_a", None, "tk_c"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "—"), (0.4, "0 s"), (59.4, "59 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")],
)
def test_durations(seconds: float | None, said: str) -> None:
    assert fmt.duration(seconds) == said


def test_other_values() -> None:
    now = datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert fmt.ago("2026-01-02T11:59:30Z", now) == "just now"
    assert fmt.ago("2026-01-02T09:00:00Z", now) == "3 h ago"
    assert fmt.ago("2025-12-31T09:00:00Z", now) == "2025-12-31"
    assert fmt.size(31_871) == "31.1 KiB"
    assert (fmt.number(0.94428969), fmt.number(3), fmt.number(None)) == ("0.9443", "3", "—")


def start(**settings: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if "TORCHKILN" not in key}
    return subprocess.run(
        [sys.executable, "-m", "dashboard"],
        cwd=ROOT,
        env=clean | {f"TORCHKILN_{name}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_public_page_has_no_key_of_its_own() -> None:
    refused = start(DASHBOARD_HOST="0.0.0.0", API_KEY="tk_secret")
    assert refused.returncode == 2
    assert "anybody who reaches the page would act with that key" in refused.stderr
    assert "tk_secret" not in refused.stderr


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = start(DASHBOARD_PORT=port)
    assert refused.returncode == 5
    assert f"cannot listen on 127.0.0.1 port {port}" in refused.stderr
