"""The pages by their paths: title, and what builds them. A new page is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dashboard.desk import Desk
from dashboard.pages import job, jobs, key, model, models, new_job, system

PAGES: dict[str, tuple[str, Callable[[Desk], Callable[..., Any]]]] = {
    "/": ("Jobs", jobs.build),
    "/new": ("New job", new_job.build),
    "/jobs/{job_id}": ("Job", job.build),
    "/models": ("Models", models.build),
    "/models/{name}": ("Model", model.build),
    "/system": ("System", system.build),
    "/key": ("Key", key.build),
}
