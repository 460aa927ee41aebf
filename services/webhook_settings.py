"""Settings of webhooks: to which hosts, signed with what, how often tried."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode

from services.webhook_signature import key_of

HOST = re.compile(r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


class WebhookSettings(BaseSettings):
    webhook_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Hosts, separated by commas, that jobs may name in `webhook`; without one webhooks are off."""
    webhook_secret_file: str = ""
    """Holds the secret, where it is not to be in the environment."""
    webhook_secret: SecretStr = Field(default=SecretStr(""), validate_default=True)
    """Signs webhooks: `whsec_` and base64, as libraries for Standard Webhooks take it, or text."""
    webhook_tries: int = Field(default=8, ge=1, le=100)
    """How often a delivery is tried; eight times are within ten hours."""

    @field_validator("webhook_hosts", mode="before")
    @classmethod
    def _hosts(cls, value: str | tuple[str, ...]) -> tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        hosts = tuple(part.strip().lower() for part in parts if part.strip())
        for host in hosts:
            if HOST.fullmatch(host) is None:
                raise ValueError(f"expected hosts as host or host:port, got {host!r}")
        return hosts

    @field_validator("webhook_secret")
    @classmethod
    def _secret(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        secret, file = value.get_secret_value(), info.data.get("webhook_secret_file")
        if secret and file:
            raise ValueError("expected it or TORCHKILN_WEBHOOK_SECRET_FILE, got both")
        secret = _read(file) if file else secret
        if info.data.get("webhook_hosts") and not secret:
            raise ValueError(
                "expected what signs webhooks, as TORCHKILN_WEBHOOK_HOSTS is set, got none"
            )
        if secret:
            key_of(secret)
        return SecretStr(secret)


def _read(file: str) -> str:
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ValueError(f"TORCHKILN_WEBHOOK_SECRET_FILE cannot be read: {reason}") from None
