"""A form for a job, made of what the chosen pipeline takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from dashboard import schema
from dashboard.desk import Desk
from dashboard.schema import Field
from dashboard.view import View, card, view
from torchkiln.errors import Invalid, Refused
from torchkiln.types import Pipeline

RETRY_S = 5.0
FIRST = "image-classification"
PROMOTE = {"never": "never", "if_better": "if it is better", "always": "always"}


def build(desk: Desk) -> Callable[..., Any]:
    def page() -> None:
        with view(desk, "New job", "Jobs") as made:
            NewJob(made)

    return page


class NewJob:
    def __init__(self, page: View) -> None:
        self._page = page
        self._pipelines: dict[str, Pipeline] = {}
        self._elements: dict[Field, Any] = {}
        with card():
            self._pipeline = ui.select([], label="Pipeline", on_change=self._choose)
            self._pipeline.style("max-width: 420px")
            self._about = ui.label().classes("muted")
        with card("Job"), ui.element().classes("fields"):
            self._dataset = ui.select({"": "the pipeline's own"}, value="", label="Dataset")
            self._model = ui.input("Model name", placeholder="the pipeline's name").props(
                "stack-label"
            )
            self._seed = ui.input("Seed", value="0")
            self._promote = ui.select(PROMOTE, value="never", label="Promote to champion")
        with card("Params"):
            self._params = ui.element().classes("fields")
        self._problem = ui.label().classes("problem").props("role=alert")
        self._start = ui.button("Start", on_click=self._submit).props("unelevated no-caps")
        self._start.style("align-self: start")
        page.every(RETRY_S, self._load)

    async def _load(self) -> None:
        """Until it has succeeded once."""
        if self._pipelines:
            return
        listed = await self._page.service.call(lambda client: client.pipelines())
        self._pipelines = {one["name"]: one for one in listed}
        first = FIRST if FIRST in self._pipelines else listed[0]["name"]
        self._pipeline.set_options(list(self._pipelines), value=first)

    async def _choose(self) -> None:
        await self._page.attempt(self._show_pipeline)

    async def _show_pipeline(self) -> None:
        name: str = self._pipeline.value
        pipeline = await self._page.service.call(lambda client: client.pipeline(name))
        uploads = await self._page.service.call(lambda client: client.datasets.list(limit=200))
        self._about.text = pipeline["title"]
        own = [one["id"] for one in uploads if one["uploaded"]] if pipeline.get("uploads") else []
        names = {one["id"]: one["name"] for one in uploads}
        choices = {one: names.get(one, one) for one in [*pipeline["datasets"], *own]}
        self._dataset.set_options({"": "the pipeline's own", **choices}, value="")
        self._dataset.visible = bool(choices)
        self._model.visible = self._promote.visible = pipeline["produces_model"]
        self._params.clear()
        with self._params:
            self._elements = {
                field: _element(field) for field in schema.fields(pipeline.get("params_schema", {}))
            }
            if not self._elements:
                ui.label("This pipeline has no params.").classes("muted")

    async def _submit(self) -> None:
        self._clear()
        self._start.disable()
        try:
            await self._page.attempt(self._send)
        finally:
            self._start.enable()

    async def _send(self) -> None:
        values = {field: schema.read(field, one.value) for field, one in self._elements.items()}
        seed: Any = schema.read(Field(("seed",), "text", 0, ""), self._seed.value)
        options = {
            "dataset": self._dataset.value or None,
            "model": (self._model.value or "").strip() or None if self._model.visible else None,
            "seed": seed,
            "promote": self._promote.value if self._promote.visible else None,
        }
        name: str = self._pipeline.value
        params = schema.changed(values)
        try:
            job = await self._page.service.call(
                lambda client: client.jobs.submit(name, params=params, **options)
            )
        except Invalid as error:
            self._show(error)
            return
        ui.navigate.to(f"/jobs/{job['id']}")

    def _clear(self) -> None:
        self._problem.text = ""
        for element in self._named().values():
            element.props(remove="error error-message")

    def _named(self) -> dict[str, Any]:
        """Elements by the fields of an error."""
        params = {f"params.{field.name}": one for field, one in self._elements.items()}
        return params | {"dataset": self._dataset, "model": self._model, "seed": self._seed}

    def _show(self, error: Refused) -> None:
        """Put each message beside its field, and what has none below."""
        named = self._named()
        rest = [str(error)]
        for one in error.errors:
            element = _nearest(named, one.field)
            if element is None:
                rest.append(f"{one.field}: {one.message}")
            else:
                element.props["error"] = True
                element.props["error-message"] = one.message
        self._problem.text = "; ".join(rest)


def _nearest(named: dict[str, Any], field: str) -> Any | None:
    """The element of a field, or of the list that it is in (`params.hidden.0`)."""
    while field:
        if field in named:
            return named[field]
        field = field.rpartition(".")[0]
    return None


def _element(field: Field) -> Any:
    label = field.name.replace(".", " · ").replace("_", " ")
    made: Any
    if field.kind == "switch":
        made = ui.switch(label, value=field.default)
    elif field.kind == "choice":
        made = ui.select(list(field.options), label=label, value=field.default)
    elif field.kind == "choices":
        made = ui.select(
            list(field.options), label=label, value=list(field.default or []), multiple=True
        ).props("use-chips")
    else:
        made = ui.input(label, value=schema.text(field.default), placeholder="none")
    hint = "; ".join(filter(None, [field.description, field.bounds]))
    if field.kind == "switch":
        made.tooltip(hint)
        return made
    # Said while the field has the focus, and below it, where a screen reader finds it.
    made.props("stack-label hide-hint")
    made.props["hint"] = hint
    return made
