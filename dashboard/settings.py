"""Settings of the web page, each also an environment variable `TORCHKILN_<NAME>`."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class DashboardSettings(BaseSettings):
    """Read once, at the entry of the process, and handed in from there."""

    model_config = SettingsConfigDict(
        env_prefix="TORCHKILN_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    url: str = "http://127.0.0.1:8000"
    """Address of the service."""
    api_key: SecretStr | None = None
    """The key of visitors who have given none; on loopback only."""
    dashboard_host: str = "127.0.0.1"
    dashboard_port: int = Field(default=8002, ge=1, le=65_535)
    dashboard_hosts: str = ""
    """Names, with commas between, under which browsers may ask for the page; addresses and
    `localhost` always may."""

    @property
    def key(self) -> str | None:
        return (self.api_key.get_secret_value() or None) if self.api_key else None

    @property
    def names(self) -> frozenset[str]:
        given = (name.strip().lower() for name in self.dashboard_hosts.split(","))
        return frozenset(name for name in given if name)
