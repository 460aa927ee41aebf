"""Triton's extensions that make no sense here: each says so, in the protocol's form."""

from __future__ import annotations

from fastapi import APIRouter

from services.serving.errors import Unsupported

router = APIRouter(prefix="/v2", include_in_schema=False)


@router.api_route("/systemsharedmemory/{rest:path}", methods=["GET", "POST"])
@router.api_route("/cudasharedmemory/{rest:path}", methods=["GET", "POST"])
async def shared_memory(rest: str) -> None:
    raise Unsupported(f"shared memory ({rest[:64]}) is not supported: send tensors in the body")


@router.api_route("/trace/setting", methods=["GET", "POST"])
@router.api_route("/models/{name}/trace/setting", methods=["GET", "POST"])
async def trace_setting(name: str = "") -> None:
    subject = f" of {name[:64]}" if name else ""
    raise Unsupported(f"trace settings{subject} are not supported")


@router.api_route("/logging", methods=["GET", "POST"])
async def logging_settings() -> None:
    raise Unsupported("logging settings are not supported: they are the service's environment")
