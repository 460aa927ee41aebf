"""What a job leaves behind: checkpoints and artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from dashboard import format as fmt
from dashboard.service import Service
from dashboard.tables import fill, table
from dashboard.view import card, empty
from torchkiln.types import Checkpoint, Event, File

CHECKPOINTS = {"epoch": "Epoch", "step": "Step", "note": "", "metrics": "Metrics", "size": "Size"}
SHOWN = 20
"""Of the checkpoints, the youngest and the best."""


class Outputs:
    def __init__(self, job_id: str) -> None:
        self._id = job_id
        self._first = True
        with card("Checkpoints"):
            self._checkpoints = table(
                CHECKPOINTS, label="Checkpoints", wide=("metrics",), status="note"
            )
            self._no_checkpoints = empty("None yet.")
        with card("Artifacts"):
            self._pictures = ui.element().classes("pictures")
            self._files = ui.element().classes("line").style("margin-top: .6rem")
            self._no_artifacts = empty("None yet.")

    async def refresh(self, service: Service, events: Sequence[Event]) -> None:
        """Look again for what these events tell of; the first time for everything."""
        news = {event["type"] for event in events}
        if self._first or "checkpoint" in news or "status" in news:
            self._show_checkpoints(
                await service.call(lambda client: client.jobs.checkpoints(self._id))
            )
        if self._first or "artifact" in news:
            self._show_artifacts(await service.call(lambda client: client.jobs.artifacts(self._id)))
        self._first = False

    def _show_checkpoints(self, found: list[Checkpoint]) -> None:
        newest = sorted(found, key=lambda one: one["created_at"], reverse=True)
        kept = [one for place, one in enumerate(newest) if place < SHOWN or one["best"]]
        fill(self._checkpoints, [_checkpoint(one) for one in kept])
        self._checkpoints.visible = bool(found)
        self._no_checkpoints.visible = not found

    def _show_artifacts(self, found: list[File]) -> None:
        self._no_artifacts.visible = not found
        self._pictures.clear()
        self._files.clear()
        for one in found:
            # The address changes with the bytes, so that no browser shows those of before.
            url = f"/jobs/{self._id}/artifacts/{one['name']}?sha256={one['sha256'][:12]}"
            title = one.get("title", one["name"])
            if one["media_type"] == "image/png":
                with self._pictures:
                    _picture(url, title)
            else:
                with self._files:
                    ui.link(f"{one['name']} ({fmt.size(one['size_bytes'])})", url)


def _picture(url: str, title: str) -> None:
    with ui.element("figure"):
        picture = ui.element("img").props("loading=lazy")
        picture.props["src"] = url
        picture.props["alt"] = title
        with ui.element("figcaption"):
            ui.label(title)


def _checkpoint(one: Checkpoint) -> dict[str, Any]:
    note = "best" if one["best"] else "abandoned" if one["abandoned"] else ""
    return {
        "id": one["id"],
        "epoch": one["epoch"],
        "step": one["step"],
        "note": note,
        "metrics": fmt.figures(one["metrics"]),
        "size": fmt.size(one["size_bytes"]),
    }
