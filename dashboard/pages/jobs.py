"""All jobs, newest first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from nicegui import ui

from dashboard import format as fmt
from dashboard.desk import Desk
from dashboard.tables import fill, table
from dashboard.view import View, card, empty, view
from torchkiln import Client
from torchkiln.types import Job, JobStatus

EVERY_S = 2.0
PAGE = 50
MOST = 200
COLUMNS = {
    "pipeline": "Pipeline",
    "status": "State",
    "progress": "Progress",
    "eta": "Left",
    "model": "Model",
    "created": "Created",
}


def build(desk: Desk) -> Callable[..., Any]:
    def page() -> None:
        with view(desk, "", "Jobs") as made:
            JobList(made)

    return page


class JobList:
    def __init__(self, page: View) -> None:
        self._page = page
        self._limit = PAGE
        with ui.element().classes("line"):
            ui.label("Jobs").classes("title").props("role=heading aria-level=1")
            ui.button("New job", on_click=lambda: ui.navigate.to("/new")).props(
                "unelevated no-caps"
            ).classes("push")
        with card():
            self._filters()
            self._table = table(
                COLUMNS,
                label="Jobs",
                wide=("model", "eta", "created"),
                links={"pipeline": "href", "model": "model_href"},
                status="status",
            )
            self._empty = empty("")
            self._more = ui.button("Show more", on_click=self._show_more).props("flat no-caps")
            self._empty.visible = self._more.visible = False
        page.every(EVERY_S, self.refresh)

    def _filters(self) -> None:
        states = {"": "any state", **{name: name for name in get_args(JobStatus)}}
        with ui.element().classes("line"):
            self._status = ui.select(states, value="", label="State", on_change=self._now)
            self._pipeline = ui.select(
                {"": "any pipeline"}, value="", label="Pipeline", on_change=self._now
            )
            for choice in (self._status, self._pipeline):
                choice.style("width: 190px").props("dense")

    async def _now(self) -> None:
        await self._page.attempt(self.refresh)

    async def _show_more(self) -> None:
        self._limit = min(self._limit + PAGE, MOST)
        await self._now()

    async def refresh(self) -> None:
        if len(self._pipeline.options) == 1:
            await self._load_pipelines()
        status, pipeline, limit = self._status.value, self._pipeline.value, self._limit

        def ask(client: Client) -> list[Job]:
            return client.jobs.list(status=status or None, pipeline=pipeline or None, limit=limit)

        jobs = await self._page.service.call(ask)
        fill(self._table, [row(job) for job in jobs])
        self._empty.text = (
            "No job matches." if status or pipeline else "No jobs yet. “New job” starts the first."
        )
        self._empty.visible = not jobs
        self._table.visible = bool(jobs)
        self._more.visible = len(jobs) == limit < MOST

    async def _load_pipelines(self) -> None:
        pipelines = await self._page.service.call(lambda client: client.pipelines())
        names = {one["name"]: one["name"] for one in pipelines}
        self._pipeline.set_options({"": "any pipeline", **names}, value=self._pipeline.value)


def row(job: Job) -> dict[str, Any]:
    """A job as a row of the table."""
    model, version = job["model"], job["model_version"]
    return {
        "id": job["id"],
        "href": f"/jobs/{job['id']}",
        "pipeline": job["pipeline"],
        "status": job["status"],
        "progress": f"{job['progress']['percent']:.0f} %",
        "eta": fmt.duration(job["progress"]["eta_s"]) if job["status"] == "running" else fmt.NONE,
        "model": fmt.NONE if version is None else f"{model} {version}",
        "model_href": None if version is None else f"/models/{model}",
        "created": fmt.ago(job["created_at"]),
    }
