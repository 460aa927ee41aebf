"""The web page as an ASGI application, built from its settings."""

from __future__ import annotations

import secrets
from pathlib import Path

from fastapi import FastAPI
from nicegui import app as pages_app
from nicegui import ui
from starlette.types import ASGIApp

from dashboard import artifacts
from dashboard.desk import Desk
from dashboard.guard import Guard
from dashboard.pages import PAGES
from dashboard.settings import DashboardSettings

STATIC = Path(__file__).parent / "static"


def create_app(settings: DashboardSettings) -> ASGIApp:
    """One for each process: NiceGUI keeps its pages in a global of its own."""
    desk = Desk(settings)
    for path, (title, build) in PAGES.items():
        ui.page(path, title=f"{title} · torchkiln")(build(desk))
    artifacts.add_routes(pages_app, desk)
    app = FastAPI(openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    ui.run_with(
        app,
        title="torchkiln",
        favicon=STATIC / "favicon.svg",
        dark=None,  # as the system prefers
        language="en-US",
        tailwind=False,
        reconnect_timeout=30.0,  # for a phone that was put away for a moment
        show_welcome_message=False,
        storage_secret=secrets.token_urlsafe(32),  # sessions end with the process
        session_middleware_kwargs={
            # Cookies do not know ports, and there may be two of these on a host.
            "session_cookie": f"torchkiln_{settings.dashboard_port}",
            "same_site": "lax",
            "max_age": None,
        },
    )
    ui.add_css(STATIC / "style.css", shared=True)
    return Guard(app, names=settings.names)
