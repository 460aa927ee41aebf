"""Health, workers and versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from dashboard import format as fmt
from dashboard.desk import Desk
from dashboard.tables import fill, table
from dashboard.view import View, card, empty, set_status, view
from torchkiln import Client
from torchkiln.types import Json

EVERY_S = 3.0
COLUMNS = {
    "host": "Host",
    "slots": "Slots in use",
    "jobs": "Running",
    "queues": "Queues",
    "devices": "Devices",
    "seen": "Last heartbeat",
}


def build(desk: Desk) -> Callable[..., Any]:
    def page() -> None:
        with view(desk, "System", "System") as made:
            System(made)

    return page


class System:
    def __init__(self, page: View) -> None:
        self._page = page
        with card("Health"):
            self._health = ui.element().classes("line")
        with card("Workers"):
            self._workers = table(
                COLUMNS,
                label="Workers",
                wide=("queues", "devices"),
                links={"jobs": "href"},
            )
            self._empty = empty("No worker is alive; jobs wait in the queue until one is.")
            self._empty.visible = False
        with card("Service"):
            self._facts = ui.element().classes("facts")
        self._shown: list[tuple[str, str]] = []
        page.every(EVERY_S, self._refresh)

    async def _refresh(self) -> None:
        health, system, workers = await self._page.service.call(_ask)
        self._health.clear()
        with self._health:
            for part, problem in health["parts"].items():
                chip = ui.label()
                set_status(chip, "failed" if problem else "certified")
                chip.text = f"{part}: {problem or 'ok'}"
        fill(self._workers, [_row(worker) for worker in workers])
        self._empty.visible = not workers
        self._workers.visible = bool(workers)
        self._show(_facts(system))

    def _show(self, facts: list[tuple[str, str]]) -> None:
        if facts == self._shown:
            return
        self._shown = facts
        self._facts.clear()
        with self._facts:
            for name, value in facts:
                ui.label(name)
                ui.label(value)


def _ask(client: Client) -> tuple[Json, Json, list[Json]]:
    return client.health(), client.system(), client.workers()


def _row(worker: Json) -> dict[str, Any]:
    jobs: list[str] = worker["current_jobs"]
    return {
        "id": worker["id"],
        "host": worker["host"],
        "slots": f"{len(jobs)} of {worker['slots']}",
        "jobs": ", ".join(jobs) or fmt.NONE,
        "href": f"/jobs/{jobs[0]}" if len(jobs) == 1 else None,
        "queues": ", ".join(worker["queues"]),
        "devices": ", ".join(one["name"] for one in worker["devices"]),
        "seen": fmt.ago(worker["last_heartbeat"]),
    }


def _facts(system: Json) -> list[tuple[str, str]]:
    cuda: Json = system["cuda"]
    devices = ", ".join(str(one.get("name")) for one in cuda["devices"])
    versions = {name: value for name, value in system["versions"].items() if value}
    return [
        ("torchkiln", str(system["torchkiln"])),
        ("host", f"{system['host']}, {system['cpu_cores']} cores, {system['platform']}"),
        ("GPU", devices if cuda["available"] else "none"),
        ("Python", str(system["python"])),
        *((name, str(value)) for name, value in versions.items()),
    ]
