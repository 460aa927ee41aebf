"""A prediction by hand: rows as JSON, a drawing, or a picture."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, cast

from nicegui import events, ui

from dashboard import format as fmt
from dashboard.sketch import Sketch
from dashboard.view import View, card
from torchkiln import Client
from torchkiln.errors import TorchkilnError
from torchkiln.types import ModelVersion, Prediction

MAX_PICTURE = 8 * 2**20
CLASSES = 12
"""Of the probabilities of one row, the highest."""
MOST_ROWS = 50
SMALL = 64
"""Numbers of a row that are worth typing."""


class Try:
    def __init__(self, page: View, name: str) -> None:
        self._page = page
        self._name = name
        self._version: ModelVersion | None = None
        with card("Try it"):
            self._backend = ui.select(["auto"], value="auto", label="Backend")
            self._backend.style("max-width: 260px")
            self._inputs = ui.element().style("margin-top: .8rem")
            self._answer = ui.element().props("aria-live=polite").style("margin-top: .8rem")

    def choose(self, version: ModelVersion) -> None:
        """Offer what this version takes."""
        chosen = self._version
        if chosen and chosen["version"] == version["version"]:
            return
        self._version = version
        states = version["backends"].items()
        certified = [name for name, one in states if one["status"] == "certified"]
        self._backend.set_options(["auto", *certified], value="auto")
        self._inputs.clear()
        self._answer.clear()
        with self._inputs:
            if len(version["signature"]["inputs"][0]["shape"]) == 4:
                self._offer_picture()
            else:
                self._offer_rows(version)

    def _offer_picture(self) -> None:
        with ui.element().classes("line").style("align-items: flex-start"):
            with ui.element():
                ui.label("Draw").classes("muted")
                Sketch(self._drawn)
            with ui.element():
                ui.label("or send a PNG or JPEG").classes("muted")
                upload = ui.upload(
                    on_upload=self._uploaded,
                    on_rejected=lambda: ui.notify("expected a picture of up to 8 MiB"),
                    max_file_size=MAX_PICTURE,
                    auto_upload=True,
                )
                upload.props('accept="image/png,image/jpeg"').style("display: none")
                # In the browser, which opens its dialog for files only for a click.
                ui.button("Choose a picture").props("outline no-caps").on(
                    "click", js_handler=f"() => getElement({upload.id}).pickFiles()"
                )

    def _offer_rows(self, version: ModelVersion) -> None:
        spec = cast(dict[str, Any], version["signature"]["inputs"][0])
        columns: list[str] | None = spec.get("columns")
        about = f"Rows as JSON, each of shape {spec['shape'][1:]}"
        ui.label(about + (f": {', '.join(columns)}" if columns else "")).classes("muted")
        self._rows = ui.textarea("Rows", value=_example(spec["shape"])).props("autogrow outlined")
        self._rows.props("input-class=mono")
        ui.button("Predict", on_click=self._typed).props("unelevated no-caps").style(
            "margin-top: .5rem"
        )
        dataset = version["lineage"].get("dataset")
        if columns and dataset:
            ui.timer(0, lambda: self._fill(str(dataset), len(columns)), once=True)

    async def _fill(self, dataset: str, width: int) -> None:
        """Begin with a row of the data that it was trained on, where that is to be had."""
        try:
            preview = await self._page.service.call(
                lambda client: client.datasets.preview(dataset, rows=1)
            )
        except TorchkilnError:
            return
        if preview["kind"] == "csv" and preview["rows"]:
            row = [float(fmt.number(value)) for value in preview["rows"][0][:width]]
            self._rows.value = json.dumps([row])

    async def _typed(self) -> None:
        try:
            rows: Any = json.loads(self._rows.value or "")
        except ValueError as error:
            ui.notify(f"this is not JSON: {error}", type="negative")
            return

        def ask(client: Client, version: int, backend: str) -> Prediction:
            return client.predict(self._name, rows, version=version, backend=backend)

        await self._predict(ask)

    async def _drawn(self, url: str) -> None:
        try:
            picture = base64.b64decode(url.partition(",")[2], validate=True)
        except binascii.Error:
            return
        await self._predict_picture(picture, "image/png")

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        await self._predict_picture(await event.file.read(), event.file.content_type)
        cast(ui.upload, event.sender).reset()

    async def _predict_picture(self, picture: bytes, media_type: str) -> None:
        def ask(client: Client, version: int, backend: str) -> Prediction:
            return client.predict_image(
                self._name, picture, media_type=media_type, version=version, backend=backend
            )

        await self._predict(ask)

    async def _predict(self, ask: Callable[[Client, int, str], Prediction]) -> None:
        version = self._version
        if version is None:
            return
        number, backend = version["version"], str(self._backend.value)

        async def show() -> None:
            answer = await self._page.service.call(lambda client: ask(client, number, backend))
            self._answer.clear()
            with self._answer:
                _show(answer, version["classes"])

        await self._page.attempt(show)


def _example(shape: list[int]) -> str:
    """A batch of one row of zeros; nothing where that would be too many."""
    lengths = [max(1, length) for length in shape[1:]]
    count = 1
    for length in lengths:
        count *= length
    if count > SMALL:
        return ""
    row: Any = 0.0
    for length in reversed(lengths):
        row = [row] * length
    return json.dumps([row])


def _show(answer: Prediction, classes: list[str] | None) -> None:
    ui.label(f"Version {answer['version']} by {answer['backend']}").classes("muted")
    labels, chances = answer.get("labels"), answer.get("probabilities")
    if labels is None:
        for output in answer["outputs"][:MOST_ROWS]:
            ui.label(fmt.plain_json(output)[:2000]).classes("mono")
        return
    for place, label in enumerate(labels[:MOST_ROWS]):
        ui.label(str(label)).classes("title").props("data-prediction")
        if chances is not None:
            _show_chances(chances[place], classes)


def _show_chances(chances: list[float], classes: list[str] | None) -> None:
    names = classes or [str(number) for number in range(len(chances))]
    best = sorted(zip(names, chances, strict=False), key=lambda pair: -pair[1])[:CLASSES]
    with ui.element().classes("bars"):
        for name, chance in best:
            ui.label(str(name))
            ui.linear_progress(chance, show_value=False, size="10px").classes("progress").props(
                "aria-hidden=true"
            )
            ui.label(f"{chance:.1%}")
