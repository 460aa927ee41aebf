"""Whose requests the page takes."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dashboard.guard import Guard

APP = Starlette(routes=[Route("/", lambda _: PlainTextResponse("ours"), methods=["GET", "POST"])])


def post(**headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(Guard(APP, names={"kiln.example"}))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/", headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:8002", None, 200),
        ("[::1]:8002", "http://[::1]:8002", 200),
        ("localhost:8002", "http://localhost:8002", 200),
        ("kiln.example", "https://kiln.example", 200),
        ("rebound.example", None, 403),
        ("rebound.example", "http://rebound.example", 403),
        ("localhost:8002", "http://localhost:8000", 403),
        ("localhost:8002", "https://other.example", 403),
        ("localhost:8002", "null", 403),
        ("[", None, 403),
        ("", None, 403),
    ],
)
def test_only_our_own_page_under_our_own_names(host: str, origin: str | None, status: int) -> None:
    origins = {"Origin": origin} if origin else {}
    assert post(Host=host, **origins).status_code == status


def test_no_other_site_may_show_it_in_a_frame() -> None:
    headers = post(Host="localhost").headers
    assert headers["X-Frame-Options"] == "DENY"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
