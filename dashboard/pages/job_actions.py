"""The buttons of a job: only those that its state allows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui

from dashboard.view import View
from torchkiln import Client
from torchkiln.types import Job

Act = Callable[[Callable[[Client], Job]], Awaitable[None]]


@dataclass(frozen=True)
class Action:
    label: str
    call: Callable[[Client, str], Job]
    states: frozenset[str]
    warning: str = ""
    """What is asked before it is done, if anything."""


ACTIONS = (
    Action("Pause", lambda client, job: client.jobs.pause(job), frozenset({"running"})),
    Action(
        "Resume",
        lambda client, job: client.jobs.resume(job),
        frozenset({"pausing", "paused", "failed", "cancelled"}),
    ),
    Action(
        "Cancel",
        lambda client, job: client.jobs.cancel(job),
        frozenset({"queued", "running", "pausing", "paused"}),
    ),
    Action(
        "Kill",
        lambda client, job: client.jobs.kill(job),
        frozenset({"running", "pausing", "cancelling"}),
        "Stop this job at once, without a checkpoint of where it is now?",
    ),
)


class Actions:
    def __init__(self, page: View, job_id: str, act: Act) -> None:
        self._page = page
        self._id = job_id
        self._act = act
        self._buttons = {action: self._button(action) for action in ACTIONS}

    def show(self, status: str) -> None:
        for action, button in self._buttons.items():
            button.visible = status in action.states

    def _button(self, action: Action) -> ui.button:
        async def click() -> None:
            if not action.warning or await _confirmed(action):
                await self._page.attempt(
                    lambda: self._act(lambda client: action.call(client, self._id))
                )

        button = ui.button(action.label, on_click=click).props("outline no-caps dense")
        button.style("padding: 0 .7rem")
        if action.warning:
            button.props("color=negative")
        button.visible = False
        return button


async def _confirmed(action: Action) -> bool:
    with ui.dialog() as dialog, ui.card():
        ui.label(action.warning)
        with ui.element().classes("line"):
            ui.button(f"{action.label} it", on_click=lambda: dialog.submit(True)).props(
                "unelevated no-caps color=negative"
            )
            ui.button("Leave it", on_click=lambda: dialog.submit(False)).props("flat no-caps")
    answer = await dialog
    dialog.delete()
    return bool(answer)
