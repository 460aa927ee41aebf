"""Where webhooks may go, what signs them, and when they are tried again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.settings import Settings
from services.webhook_retries import PAUSES_S, pause_s
from services.webhook_signature import key_of, signature_headers
from services.webhooks import webhook_problem

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example",
        "http://A.example/path?query=@x",
        "https://a.example:443/",
        "http://a.example:80?x",
        "https://b.example:8443/hook",
        "http://[::1]:9/",
    ],
)
def test_a_host_that_the_operator_allows_is_taken(url: str) -> None:
    hosts = ("a.example", "b.example:8443", "[::1]:9")
    assert webhook_problem(url, Settings(webhook_hosts=hosts, webhook_secret=SECRET)) is None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://evil.example/?a.example", "(a.example), got host evil.example"),
        ("https://a.example.evil/", "got host a.example.evil"),
        ("https://a.example:8443/", "got host a.example:8443"),
        ("https://a.example:80/", "got host a.example:80"),
        ("https://a.example./", "got host a.example."),
        ("https://user:pass@a.example/", "expected a URL without credentials"),
        ("https://a.example@evil.example/", "expected a URL without credentials"),
        ("https://a.example/#top", "expected a URL without a fragment"),
        ("https://a.example\\@evil.example/", "expected an http or https URL"),
        ("https://evil.example\\.a.example/", "expected an http or https URL"),
        ("ftp://a.example/", "expected an http or https URL"),
        ("//a.example/", "expected an http or https URL"),
        ("https://a.example/\r\nx: y", "expected an http or https URL"),
        ("https://a.example/\n", "expected an http or https URL"),
        ("https://ä.example/", "expected an http or https URL"),
        ("\ud800", "expected an http or https URL"),
        ("", "expected an http or https URL"),
        ("https://a.example/" + "x" * 2000, "expected at most 2000 characters, got 2018"),
    ],
)
def test_any_other_url_is_refused_by_what_is_wrong(url: str, message: str) -> None:
    settings = Settings(webhook_hosts=("a.example",), webhook_secret=SECRET)
    assert message in (webhook_problem(url, settings) or "")


def test_without_hosts_webhooks_are_off() -> None:
    problem = webhook_problem("https://a.example/", Settings())
    assert problem == "expected none, as webhooks are off: the operator allows no host"


def test_settings_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCHKILN_WEBHOOK_HOSTS", " A.example, b.example:81,")
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    monkeypatch.setenv("TORCHKILN_WEBHOOK_SECRET_FILE", str(file))
    settings = Settings()
    assert settings.webhook_hosts == ("a.example", "b.example:81")
    assert settings.webhook_secret.get_secret_value() == SECRET
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("variables", "field", "message"),
    [
        ({"HOSTS": "a.example"}, "webhook_secret", "TORCHKILN_WEBHOOK_HOSTS is set, got none"),
        ({"HOSTS": "http://a.example"}, "webhook_hosts", "got 'http://a.example'"),
        ({"SECRET": "whsec_a-secret"}, "webhook_secret", "expected base64 after whsec_"),
        ({"SECRET": "whsec_"}, "webhook_secret", "expected base64 after whsec_"),
        ({"SECRET": "a-secret", "SECRET_FILE": "b"}, "webhook_secret", "got both"),
        ({"SECRET_FILE": "/nowhere"}, "webhook_secret", "SECRET_FILE cannot be read: No such"),
        ({"TRIES": "0"}, "webhook_tries", "greater than or equal to 1"),
    ],
)
def test_settings_that_cannot_be_are_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], field: str, message: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"TORCHKILN_WEBHOOK_{name}", value)
    with pytest.raises(ValidationError) as raised:
        Settings()
    (error,) = raised.value.errors()
    assert error["loc"] == (field,)
    assert message in error["msg"]
    assert "a-secret" not in str(raised.value), "it is not for a log"


def test_a_signature_is_what_the_standard_says() -> None:
    """The example of the specification's own libraries."""
    headers = signature_headers(
        key_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_manual_says_how_to_check_one() -> None:
    manual = Path(__file__).parents[2] / "docs/operations.md"
    (code,) = re.findall(r"```python\n(.*?)```", manual.read_text(), re.DOTALL)
    receiver: dict[str, Any] = {}
    exec(code, receiver)
    is_genuine: Callable[[str, dict[str, str], bytes], bool] = receiver["is_genuine"]
    now = int(time.time())
    headers = signature_headers(key_of(SECRET), "dlv_1", now, b"{}")
    assert is_genuine(SECRET, headers, b"{}")
    assert not is_genuine(SECRET, headers, b"{ }")
    assert not is_genuine(SECRET, headers | {"webhook-id": "dlv_2"}, b"{}")
    assert not is_genuine(SECRET, headers | {"webhook-signature": "v1,é"}, b"{}")
    old = signature_headers(key_of(SECRET), "dlv_1", now - 400, b"{}")
    assert not is_genuine(SECRET, old, b"{}")


def test_a_secret_may_be_text() -> None:
    assert key_of("as it is") == b"as it is"


@pytest.mark.parametrize("tries", [1, 4, 7, 20])
def test_pauses_grow_and_differ(tries: int) -> None:
    usual = PAUSES_S[min(tries, 7) - 1]
    pauses = {pause_s(tries, None, NOW) for _ in range(20)}
    assert len(pauses) > 1
    assert all(0.8 * usual <= pause <= 1.2 * usual for pause in pauses)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("100", 100, 100),
        ("9" * 5000, 3600, 3600),
        ("Thu, 01 Jan 2026 12:05:00 GMT", 300, 300),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 8, 12),
        ("-5", 8, 12),
        ("soon", 8, 12),
        ("²", 8, 12),
        ("0", 8, 12),
    ],
)
def test_a_receiver_may_ask_for_an_hours_patience(header: str, least: float, most: float) -> None:
    assert least <= pause_s(1, header, NOW) <= most
