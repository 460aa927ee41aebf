"""Where a webhook may go: only to a host that the operator allows.

The service is inside of the operator's network, and whoever submits a job is perhaps not: without
that list a webhook would reach whatever this process reaches.
"""

from __future__ import annotations

import re

from services.field_errors import brief
from services.webhook_settings import WebhookSettings

WHOSE = "the hosts that the operator allows"
MAX_URL = 2000
"""Characters."""
DEFAULT_PORTS = {"http": "80", "https": "443"}
URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?][\x21-\x7e]*)?",
    re.IGNORECASE,
)
"""So little that no two parsers see another host in it."""


def webhook_problem(url: str, settings: WebhookSettings) -> str | None:
    """What is wrong with a webhook's URL; None: news of a job may be sent there."""
    if not settings.webhook_hosts:
        return "expected none, as webhooks are off: the operator allows no host"
    if len(url) > MAX_URL:
        return f"expected at most {MAX_URL} characters, got {len(url)}"
    if "#" in url:
        return f"expected a URL without a fragment, got {brief(url)}"
    authority = re.match(r"[^/]*//([^/?\\]*)", url)
    if authority and "@" in authority[1]:
        return "expected a URL without credentials, got some before the host"
    parts = URL.fullmatch(url)
    if parts is None or "\\" in url:
        return f"expected an http or https URL of printable ASCII, got {brief(url)}"
    if _hosts(parts).isdisjoint(settings.webhook_hosts):
        allowed, host = ", ".join(settings.webhook_hosts), _shown(parts)
        return f"expected a URL on one of {WHOSE} ({allowed}), got host {host}"
    return None


def _hosts(parts: re.Match[str]) -> set[str]:
    """The entries of the operator's list that allow a URL: a default port may be named or not."""
    host, default = parts["host"].lower(), DEFAULT_PORTS[parts["scheme"].lower()]
    port = parts["port"] or default
    return {f"{host}:{port}", host} if port == default else {f"{host}:{port}"}


def _shown(parts: re.Match[str]) -> str:
    """Host and port as they were written; a name in DNS is shorter than what is shown."""
    return (parts["host"] + (f":{parts['port']}" if parts["port"] else ""))[:260]
