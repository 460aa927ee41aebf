"""All published models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dashboard import format as fmt
from dashboard.desk import Desk
from dashboard.tables import fill, table
from dashboard.view import View, card, empty, view
from torchkiln.types import Model

EVERY_S = 3.0
MOST = 200
COLUMNS = {
    "name": "Model",
    "champion": "Champion",
    "versions": "Versions",
    "aliases": "Other aliases",
    "created": "First published",
}


def build(desk: Desk) -> Callable[..., Any]:
    def page() -> None:
        with view(desk, "Models", "Models") as made:
            ModelList(made)

    return page


class ModelList:
    def __init__(self, page: View) -> None:
        self._page = page
        with card():
            self._table = table(
                COLUMNS,
                label="Models",
                key="name",
                wide=("aliases", "created"),
                links={"name": "href"},
            )
            self._empty = empty(
                "No models yet. A job whose pipeline makes one publishes the first."
            )
            self._empty.visible = False
        page.every(EVERY_S, self._refresh)

    async def _refresh(self) -> None:
        models = await self._page.service.call(lambda client: client.models.list(limit=MOST))
        fill(self._table, [_row(model) for model in models])
        self._empty.visible = not models
        self._table.visible = bool(models)


def _row(model: Model) -> dict[str, Any]:
    others = {name: number for name, number in model["aliases"].items() if name != "champion"}
    return {
        "name": model["name"],
        "href": f"/models/{model['name']}",
        "champion": model["aliases"].get("champion", fmt.NONE),
        "versions": model["versions"],
        "aliases": ", ".join(f"{name} → {number}" for name, number in others.items()) or fmt.NONE,
        "created": fmt.ago(model["created_at"]),
    }
