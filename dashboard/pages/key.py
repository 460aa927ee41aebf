"""Asks for the key of a service that has keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from dashboard.desk import Desk
from dashboard.view import card, view
from torchkiln.errors import NotAllowed, TorchkilnError


def build(desk: Desk) -> Callable[..., Any]:
    def page(back: str = "/") -> None:
        KeyForm(desk, _own(back))

    return page


def _own(address: str) -> str:
    """An address within the page; never another site's."""
    inside = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if inside and not address.startswith("/key") else "/"


class KeyForm:
    def __init__(self, desk: Desk, back: str) -> None:
        self._desk = desk
        self._back = back
        with view(desk, "API key") as page, card():
            self._session = page.session
            ui.label(
                "This service has keys. Yours is kept in the memory of the page's server until "
                "you close the browser, take it back or twelve hours pass; it is written nowhere."
            ).classes("muted")
            self._key = ui.input("Key, tk_…", password=True).on("keydown.enter", self._enter)
            self._key.props("autocomplete=off").style("max-width: 480px")
            with ui.element().classes("line"):
                ui.button("Use this key", on_click=self._enter).props("unelevated no-caps")
                if desk.sessions.key(page.session):
                    ui.button("Forget the key", on_click=self._forget).props("flat no-caps")

    async def _enter(self) -> None:
        key = (self._key.value or "").strip()
        problem = await self._try(key)
        self._key.props["error"] = problem is not None
        self._key.props["error-message"] = problem or ""
        if problem is None:
            self._desk.sessions.remember(self._session, key)
            ui.navigate.to(self._back)

    async def _try(self, key: str) -> str | None:
        """What is wrong with a key, if anything; one without the scope `read` is let through."""
        if not key.startswith("tk_") or not key.isascii() or not key.isprintable():
            return "a key begins with tk_"
        service = self._desk.service(self._session, key)
        try:
            await service.call(lambda client: client.system())
        except NotAllowed as error:
            return str(error) if error.status == 401 else None
        except TorchkilnError as error:
            return str(error)
        finally:
            await service.close()
        return None

    def _forget(self) -> None:
        self._desk.sessions.forget(self._session)
        ui.navigate.to("/")
