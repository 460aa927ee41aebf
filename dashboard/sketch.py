"""A square to draw a digit in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import events
from nicegui.element import Element


class Sketch(Element, component="static/sketch.js"):
    def __init__(self, on_drawn: Callable[[str], Awaitable[None]]) -> None:
        """`on_drawn` gets a PNG as a `data:` URL: white on black, cut to what was drawn."""
        super().__init__()

        async def drawn(event: events.GenericEventArguments) -> None:
            if isinstance(event.args, str):
                await on_drawn(event.args)

        self.on("drawn", drawn)
