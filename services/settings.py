"""Settings of the service, each also an environment variable `TORCHKILN_<NAME>`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from services.webhook_settings import WebhookSettings

AutoBenchmark = Literal["stale", "all", "off"]
Role = Literal["all", "manage", "serve"]
ENDPOINT = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")


class Settings(WebhookSettings):
    """Read once, at the entry of each process, and handed in from there."""

    model_config = SettingsConfigDict(
        env_prefix="TORCHKILN_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65_535)
    grpc_port: int = Field(default=0, ge=0, le=65_535)
    """The Open Inference Protocol over gRPC, on the same address; 0 is off."""
    role: Role = "all"
    """What an API process answers: `serve` predictions, `manage` everything else."""
    data_dir: Path = Path("var")
    """Holds the embedded database, stored files, downloads and work directories."""
    database_url: str = ""
    """SQLAlchemy URL; empty is SQLite in `data_dir`."""
    storage_url: str = ""
    """Where files are kept, as fsspec writes it (`s3://bucket/prefix`); empty is in `data_dir`."""
    cache_bytes: int = Field(default=20 * 2**30, ge=0)
    """What files of an object store may take on this host, those of the last hour besides."""
    redis_url: str = ""
    """The Celery broker; required by `api` and `worker`, set by `torchkiln up` when embedded. The
    certificate of a `rediss://` one is checked, unless the URL says `ssl_cert_reqs=none`."""
    insecure: bool = False
    """Allows a non-loopback bind without an API key."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    otlp_endpoint: str = ""
    """Base URL of a receiver of traces by OTLP over HTTP, `http://collector:4318`; empty is off."""
    trace_sample: float = Field(default=1.0, ge=0, le=1)
    """The share that is kept of the traces that begin here."""

    max_body_bytes: int = Field(default=16 * 2**20, ge=1024)
    job_slots: int = Field(default=1, ge=1, le=256)
    """Jobs of the queue `cpu` that a worker runs at once."""
    gpu_slots: int = Field(default=0, ge=0, le=256)
    """The same of the queue `gpu`, on a worker that has one; 0 is one for each GPU found."""
    threads_per_job: int = Field(default=0, ge=0, le=1024)
    """Torch threads of a trainer; 0 divides the host's cores by the slots."""
    worker_metrics_host: str = "127.0.0.1"
    worker_metrics_port: int = Field(default=0, ge=0, le=65_535)
    """Where a worker answers Prometheus, who needs no key there; 0 is off."""
    heartbeat_s: float = Field(default=5.0, gt=0)
    lease_s: float = Field(default=30.0, gt=0)
    resend_after_s: float = Field(default=15.0, gt=0)
    max_attempts: int = Field(default=3, ge=1)
    gather_s: float = Field(default=30.0, gt=0)
    """How long a job over several hosts waits for all of them; then `min_world_size` do."""
    rendezvous_host: str = ""
    """Where the other hosts of a job reach this one; empty is the address from which it reaches
    the broker."""
    stall_timeout_s: float = Field(default=900.0, gt=0)
    """A run that makes no headway for so long is ended, and its job tried again."""
    memory_per_job_bytes: int = Field(default=0, ge=0)
    """What a job may take beyond what its libraries do, its processes together; 0 is no limit."""
    database_pool_size: int = Field(default=10, ge=1)
    model_memory_bytes: int = Field(default=2 * 2**30, ge=2**20)
    """What the models loaded in one API process may take, by the size of their files."""
    import_limit_s: float = Field(default=120.0, gt=0)
    """How long checking an imported model may take."""
    import_memory_bytes: int = Field(default=4 * 2**30, ge=2**28)
    """What the process that checks it may take beyond what its libraries do."""
    auto_benchmark: AutoBenchmark = "stale"
    """Champions that a worker measures by itself: those whose figures are from before this host's
    processor or libraries changed, `all` that were never measured too, or none (`off`)."""
    queue_limit_s: float = Field(default=2.0, gt=0)
    """A prediction that would wait longer than this is refused with 429."""
    max_batch_rows: int = Field(default=64, ge=1, le=65_536)
    """Rows of several requests that one call of a model may have; larger requests run in pieces."""
    tune_budget_s: float = Field(default=1.0, ge=0, le=600)
    """How long the first load of a model on a host may measure how to run it; 0 does not."""
    aot: bool = False
    """Compiles `torchexport` models for the host at their first load, which takes a minute each."""
    fast_path: bool = True
    """Answers usual inference requests in the HTTP protocol class, and gRPC's without parsing those
    that are like one before; off, the application does, and gRPC parses each."""

    @field_validator("otlp_endpoint")
    @classmethod
    def _endpoint(cls, value: str) -> str:
        if value and ENDPOINT.fullmatch(value) is None:
            raise ValueError("expected a URL such as http://collector:4318")
        return value

    @field_validator("redis_url")
    @classmethod
    def _certified(cls, value: str) -> str:
        """Celery checks a certificate only where the URL tells it to."""
        if value.startswith("rediss://") and "ssl_cert_reqs=" not in value:
            value += ("&" if "?" in value else "?") + "ssl_cert_reqs=required"
        return value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first; then, where TORCHKILN_SECRETS_DIR names a directory, files in it
        named for settings in lower case (`torchkiln_database_url`), so that passwords can be kept
        out of the environment."""
        directory = os.environ.get("TORCHKILN_SECRETS_DIR")
        if directory:
            file_secret_settings = SecretsSettingsSource(settings_cls, secrets_dir=directory)
        return init_settings, env_settings, dotenv_settings, file_secret_settings

    @property
    def serves(self) -> bool:
        """Whether an API process answers predictions."""
        return self.role != "manage"

    @property
    def sqlalchemy_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'torchkiln.db'}"

    @property
    def files_dir(self) -> Path:
        """Where storage keeps checkpoints, artifacts and model files."""
        return self.data_dir / "files"

    @property
    def cache_dir(self) -> Path:
        """Files of an object store that this host has read."""
        return self.data_dir / "cache"

    @property
    def downloads_dir(self) -> Path:
        return self.data_dir / "datasets"

    @property
    def tuning_dir(self) -> Path:
        """What each host found to be the fastest way to run a model file."""
        return self.data_dir / "tuning"

    @property
    def work_dir(self) -> Path:
        """Where each attempt has its own directory while it runs."""
        return self.data_dir / "work"
