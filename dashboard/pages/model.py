"""One model: its versions, what vouches for them, which of them serves, and a try of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from dashboard import format as fmt
from dashboard.desk import Desk
from dashboard.pages.model_try import Try
from dashboard.pages.model_version import Benchmarks, Certificates
from dashboard.view import View, card, set_status, view
from torchkiln import Client
from torchkiln.types import Model, ModelVersion

EVERY_S = 3.0
MOST = 50


def build(desk: Desk) -> Callable[..., Any]:
    def page(name: str) -> None:
        with view(desk, name, "Models") as made:
            ModelPage(made, name)

    return page


class ModelPage:
    def __init__(self, page: View, name: str) -> None:
        self._page = page
        self._name = name
        self._versions: list[ModelVersion] = []
        with ui.element().classes("body") as self._body:
            with card("Versions"):
                self._list = ui.element().style("display: grid; gap: .8rem")
            self._choice = ui.select([], label="Show version", on_change=self._show_chosen)
            self._choice.style("max-width: 260px")
            self._certificates = Certificates()
            self._benchmarks = Benchmarks(page, name)
            self._try = Try(page, name)
        self._body.visible = False  # until there is such a model
        page.every(EVERY_S, self._refresh)

    async def _refresh(self) -> None:
        _, versions = await self._page.service.call(self._ask)
        if versions != self._versions:
            self._versions = versions
            self._show_list()
            self._offer()
        self._body.visible = True
        await self._benchmarks.refresh()

    def _ask(self, client: Client) -> tuple[Model, list[ModelVersion]]:
        return client.models.get(self._name), client.models.versions(self._name, limit=MOST)

    def _offer(self) -> None:
        numbers = [one["version"] for one in self._versions]
        champion = [one["version"] for one in self._versions if "champion" in one["aliases"]]
        kept = self._choice.value if self._choice.value in numbers else None
        self._choice.set_options(numbers, value=kept or next(iter(champion + numbers), None))
        self._show_chosen()

    def _show_chosen(self) -> None:
        for version in self._versions:
            if version["version"] == self._choice.value:
                self._certificates.show(version)
                self._benchmarks.choose(version["version"])
                self._try.choose(version)

    def _show_list(self) -> None:
        self._list.clear()
        with self._list:
            for version in self._versions:
                self._show_version(version)

    def _show_version(self, version: ModelVersion) -> None:
        number = version["version"]
        with ui.element().classes("line").props(f'data-version="{number}"'):
            ui.label(f"Version {number}").style("font-weight: 600")
            for alias in version["aliases"]:
                set_status(ui.label(), alias)
            ui.label(fmt.figures(version["metrics"]))
            ui.label(f"{_certified(version)} · {fmt.ago(version['created_at'])}").classes("muted")
            if version["job_id"]:
                ui.link("its job", f"/jobs/{version['job_id']}")
            if "champion" not in version["aliases"]:
                ui.button("Promote", on_click=lambda: self._promote(number)).props(
                    f'outline dense no-caps aria-label="Promote version {number}"'
                ).classes("push").style("padding: 0 .7rem")

    async def _promote(self, number: int) -> None:
        async def move() -> None:
            await self._page.service.call(
                lambda client: client.models.set_alias(self._name, "champion", number)
            )
            ui.notify(f"Version {number} is the champion now.", type="positive")
            await self._refresh()

        await self._page.attempt(move)


def _certified(version: ModelVersion) -> str:
    states = [one["status"] for one in version["backends"].values() if one["status"] != "absent"]
    return f"{states.count('certified')} of {len(states)} backends certified"
