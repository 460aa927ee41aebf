"""FastAPI, whose models of an OpenAPI document are built when the first document is: 2 MB of each
process, and 40 ms of its start, for what most processes are never asked.

To be imported before anything else imports fastapi.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ConfigDict


@contextmanager
def deferring() -> Generator[None]:
    """Have pydantic build the models that are defined in the block at their first use, each with
    the option `defer_build`, also where their module calls `model_rebuild` on them at its end."""
    config, rebuild = BaseModel.model_config, vars(BaseModel)["model_rebuild"]

    def not_yet(cls: type[BaseModel], **options: Any) -> bool | None:
        """Pydantic's own call at the first use has options, a module's has none."""
        return rebuild.__func__(cls, **options) if options else None

    changed: Any = BaseModel
    changed.model_config = ConfigDict(defer_build=True)
    changed.model_rebuild = classmethod(not_yet)
    try:
        yield
    finally:
        changed.model_config, changed.model_rebuild = config, rebuild


with deferring():
    import fastapi as fastapi
