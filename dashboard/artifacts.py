"""Artifacts of jobs, handed on to the browser."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, Response

from dashboard.desk import Desk
from torchkiln import Client
from torchkiln.errors import Refused, TorchkilnError

SHOWN = {".png": "image/png"}
"""What a browser shows in the page; everything else it saves."""


def add_routes(app: FastAPI, desk: Desk) -> None:
    @app.get("/jobs/{job_id}/artifacts/{name}", include_in_schema=False)
    async def artifact(job_id: str, name: str, request: Request) -> Response:
        service = desk.service(request.session["id"])
        try:
            body = await service.call(lambda client: fetch(client, job_id, name))
        except TorchkilnError as error:
            status = error.status if isinstance(error, Refused) else 502
            return PlainTextResponse(str(error), status_code=status)
        finally:
            await service.close()
        return _response(name, body)


def fetch(client: Client, job_id: str, name: str) -> bytes:
    """The bytes of an artifact, checked against the SHA-256 that was announced."""
    with tempfile.TemporaryDirectory(prefix="torchkiln-") as directory:
        return client.jobs.download_artifact(job_id, name, Path(directory, "artifact")).read_bytes()


def _response(name: str, body: bytes) -> Response:
    media_type = SHOWN.get(Path(name).suffix)
    headers = {"Cache-Control": "private, max-age=60"}
    if media_type is None:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return Response(body, media_type=media_type or "application/octet-stream", headers=headers)
