"""One job: live curves, progress, history, what it leaves behind, and what may be done with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from dashboard import format as fmt
from dashboard.desk import Desk
from dashboard.pages.job_actions import Actions
from dashboard.pages.job_curves import JobCurves
from dashboard.pages.job_history import EventLog, History
from dashboard.pages.job_outputs import Outputs
from dashboard.view import View, card, set_status, view
from torchkiln import Client
from torchkiln.types import TERMINAL, Event, Job

EVERY_S = 1.0
PAGE = 200
PAGES_AT_ONCE = 5
"""Of a long history; the rest comes with the next look."""


def build(desk: Desk) -> Callable[..., Any]:
    def page(job_id: str) -> None:
        with view(desk, "", "Jobs") as made:
            JobPage(made, job_id)

    return page


class JobPage:
    """Asks for the job and for the events behind the last one seen, which is how it goes on where
    it was when the service comes back."""

    def __init__(self, page: View, job_id: str) -> None:
        self._page = page
        self._id = job_id
        self._last = 0
        self._over = False
        with ui.element().classes("body") as self._body:
            self._heading()
            self._curves = JobCurves()
            self._history = History()
            self._outputs = Outputs(job_id)
            self._log = EventLog()
            self._details = Details()
        self._body.visible = False  # until there is such a job
        page.every(EVERY_S, self._refresh)

    def _heading(self) -> None:
        with ui.element().classes("line"):
            self._title = ui.label("Job").classes("title").props("role=heading aria-level=1")
            self._status = ui.label()
            with ui.element().classes("line push"):
                self._actions = Actions(self._page, self._id, self._act)
        with card():
            self._bar = ui.linear_progress(0, show_value=False, size="8px").classes("progress")
            self._bar.props('aria-label="Progress" instant-feedback')
            with ui.element().classes("line").style("margin-top: .5rem"):
                self._progress = ui.label()
                self._note = ui.label().classes("muted push")
            self._error = ui.label().classes("problem").props("role=alert")

    async def _act(self, action: Callable[[Client], Job]) -> None:
        self._show(await self._page.service.call(action))
        self._over = False

    async def _refresh(self) -> None:
        if self._over:
            return
        job = await self._page.service.call(lambda client: client.jobs.get(self._id))
        events, more = await self._page.service.call(self._news)
        self._show(job)
        self._body.visible = True
        self._take(events)
        await self._outputs.refresh(self._page.service, events)
        # Asked for the job first: an event may be newer than it, never the other way.
        self._over = job["status"] in TERMINAL and not more and not events

    def _news(self, client: Client) -> tuple[list[Event], bool]:
        """The events behind the last one seen, and whether there are more."""
        events: list[Event] = []
        more, last = True, self._last
        while more and len(events) < PAGE * PAGES_AT_ONCE:
            found, more = client.jobs.history(self._id, after=last, limit=PAGE)
            events += found
            more = more and bool(found)
            last = events[-1]["id"] if events else last
        return events, more

    def _take(self, events: list[Event]) -> None:
        if events:
            self._last = events[-1]["id"]
            self._curves.take(events)
            self._log.take(events)

    def _show(self, job: Job) -> None:
        self._title.text = job["pipeline"]
        set_status(self._status, job["status"])
        self._actions.show(job["status"])
        progress = job["progress"]
        self._bar.value = progress["percent"] / 100
        self._progress.text = (
            f"{progress['percent']:.0f} % · epoch {progress['epoch']} of {progress['epochs']} · "
            f"step {progress['step']} of {progress['steps']}"
        )
        self._note.text = _note(job)
        self._error.text = "" if job["error"] is None else job["error"]["message"]
        self._error.visible = job["error"] is not None
        self._history.show(job)
        self._details.show(job)


class Details:
    """What was asked for, and what came of it."""

    def __init__(self) -> None:
        with ui.element().classes("grid-2"):
            with card("Results"):
                self._results = ui.element().classes("facts")
                self._no_results = ui.label("They come with the end.").classes("muted")
            with card("Request"):
                self._request = ui.element().classes("facts")
        self._shown: object = None

    def show(self, job: Job) -> None:
        results = [(name, fmt.number(value)) for name, value in job["results"].items()]
        shown = (results, _request(job))
        if shown == self._shown:
            return
        self._shown = shown
        self._no_results.visible = not results
        for element, facts in zip((self._results, self._request), shown, strict=True):
            element.clear()
            with element:
                for name, value in facts:
                    ui.label(name)
                    ui.label(value)


def _request(job: Job) -> list[tuple[str, str]]:
    facts: list[tuple[str, object]] = [
        ("job", job["id"]),
        ("dataset", job["dataset"]),
        ("model", job["model"]),
        ("version", job["model_version"]),
        ("seed", job["seed"]),
        ("device", job["device"]),
        ("world size", job["world_size"]),
        ("created", fmt.time(job["created_at"])),
        *((name.replace("_", " "), value) for name, value in job["params"].items()),
        ("metadata", job["metadata"] or None),
    ]
    return [(name, _plain(value)) for name, value in facts if value is not None]


def _plain(value: object) -> str:
    return fmt.plain_json(value) if isinstance(value, dict | list) else fmt.number(value)


def _note(job: Job) -> str:
    if job["waiting_for"]:
        return f"waits for {job['waiting_for']}"
    if job["status"] in {"running", "pausing", "cancelling"}:
        where = job["placement"] or {}
        left = job["progress"]["eta_s"]
        about = "" if left is None else f"about {fmt.duration(left)} left · "
        return f"{about}on {where.get('worker')}, {where.get('device') or 'device not known yet'}"
    if job["finished_at"]:
        return f"took {fmt.between(job['started_at'], job['finished_at'])}"
    return ""
