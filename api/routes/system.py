"""What is installed here, and which workers there are."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter

from api.schemas.common import ListOf, cut, listed
from api.schemas.system import Cuda, SystemOut, WorkerOut
from api.state import DEFAULT_LIMIT, After, Limit, Services

router = APIRouter(prefix="/v1", tags=["operations"])

PACKAGES = ("torch", "torchvision", "onnxruntime", "onnx", "numpy", "celery", "fastapi", "uvicorn")


@router.get("/system")
def system(services: Services) -> SystemOut:
    """Versions, and the CUDA devices of the workers, which is where models are trained."""
    workers = services.workers.list()
    devices: list[dict[str, Any]] = [
        {"worker": worker.id, "host": worker.host, **device}
        for worker in workers
        for device in worker.devices
        if str(device["name"]).startswith("cuda")
    ]
    return SystemOut(
        torchkiln=installed("torchkiln") or "unknown",
        host=services.host,
        platform=platform.platform(),
        cpu_cores=os.cpu_count(),
        python=platform.python_version(),
        # Out of the packages' metadata: importing torch would cost this process half a gigabyte.
        versions={name: installed(name) for name in PACKAGES},
        cuda=Cuda(available=bool(devices), devices=devices),
        workers=len(workers),
    )


@router.get("/workers")
def workers(
    services: Services, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> ListOf[WorkerOut]:
    """The workers whose heart beats, by id."""
    page = cut(services.workers.list(), lambda worker: worker.id, limit=limit, after=after)
    return listed(page, WorkerOut.show)


@cache
def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
