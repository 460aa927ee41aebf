"""The frame that every page has, and how a page asks the service and says what went wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from urllib.parse import quote

from nicegui import ui

from dashboard.desk import Desk
from dashboard.service import Service
from torchkiln.errors import NotAllowed, Refused, TorchkilnError, Unreachable

NAVIGATION = (("Jobs", "/"), ("Models", "/models"), ("System", "/system"))


class View:
    """One page in one browser."""

    def __init__(self, service: Service, session: str, banner: ui.label, address: str) -> None:
        self.service = service
        self.session = session
        self._banner = banner
        self._address = address

    def every(self, seconds: float, refresh: Callable[[], Awaitable[None]]) -> None:
        """Have `refresh` run now and again and again. While it fails the page says why."""

        async def tick() -> None:
            try:
                await refresh()
            except TorchkilnError as error:
                self.say(error)
            else:
                self._banner.visible = False

        ui.timer(seconds, tick)

    async def attempt(self, action: Callable[[], Awaitable[None]]) -> None:
        """Do what a visitor asked for; a refusal is told and changes nothing."""
        try:
            await action()
        except TorchkilnError as error:
            if not self._asks_for_key(error):
                ui.notify(_words(error), type="negative", multi_line=True)

    def say(self, error: TorchkilnError) -> None:
        """Tell of what keeps the page from showing anything, for as long as it does."""
        if self._asks_for_key(error):
            return
        self._banner.text = _words(error)
        self._banner.visible = True

    def _asks_for_key(self, error: TorchkilnError) -> bool:
        if not isinstance(error, NotAllowed) or error.status != 401:
            return False
        ui.navigate.to(f"/key?back={quote(self._address, safe='')}")
        return True


@contextmanager
def view(desk: Desk, title: str, here: str | None = None) -> Generator[View]:
    """The frame around a page, in whose middle the block's elements are. `here` is the entry of
    the navigation that the page belongs to."""
    request = ui.context.client.request
    session: str = request.session["id"]
    service = desk.service(session)
    ui.context.client.on_delete(service.close)
    ui.colors(primary="#2f62c9", positive="#1f7a4d", negative="#c0392b", warning="#9a6700")
    main = ui.element("main").classes("page")
    ui.skip_link("Skip to the content", target=main)
    _header(here, signed_in=desk.sessions.key(session) is not None)
    with main:
        banner = ui.label().classes("banner").props("role=alert")
        banner.visible = False
        if title:
            ui.label(title).classes("title").props("role=heading aria-level=1")
        yield View(service, session, banner, request.url.path)


def _header(here: str | None, *, signed_in: bool) -> None:
    with ui.header().classes("bar"), ui.element("nav").props('aria-label="Pages"'):
        ui.link("torchkiln", "/").classes("brand")
        for name, target in NAVIGATION:
            link = ui.link(name, target)
            if name == here:
                link.props("aria-current=page")
        if signed_in:
            ui.link("Key", "/key").classes("aside")


def _words(error: TorchkilnError) -> str:
    if isinstance(error, Unreachable):
        return "The service does not answer. This page tries again by itself."
    if isinstance(error, Refused) and error.errors:
        fields = "; ".join(f"{one.field}: {one.message}" for one in error.errors)
        return f"{error}: {fields}"
    return str(error)


def empty(text: str) -> ui.label:
    """What stands where there is nothing yet."""
    return ui.label(text).classes("empty")


@contextmanager
def card(title: str = "") -> Generator[ui.element]:
    with ui.element("section").classes("card") as section:
        if title:
            ui.label(title).classes("subtitle").props("role=heading aria-level=2")
        yield section


def set_status(chip: ui.label, status: str) -> None:
    """A state as a word with a colour."""
    chip.text = status
    chip.classes(replace=f"status status-{status}")
