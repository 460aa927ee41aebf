"""What the last digits of a training depend on besides its seed, its params and its checkpoint.

A run that goes on from a checkpoint ends with the bits of one that was never interrupted, as long
as none of this has changed in between. Where it has, the run goes on all the same, and says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

Fingerprint = dict[str, str | int | None]

UNKNOWN = "unknown"
"""In the place of the fingerprint of a checkpoint that has none, as those of old releases."""


def fingerprint(device: torch.device, data_sha256: str | None) -> Fingerprint:
    """Of a training in this process as it is now."""
    on_gpu = device.type == "cuda"
    return {
        "torch": str(torch.__version__),  # a type of its own, which no checkpoint may hold
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name(device) if on_gpu else device.type,
        "threads": torch.get_num_threads(),
        "code": code_sha256(),
        "data": data_sha256,
    }


@cache
def code_sha256() -> str:
    """Of every source file of this package, names included. Read once for each process: what it
    has imported does not change under it."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        source = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(source)}\0".encode() + source)
    return digest.hexdigest()


def take_threads(saved: Mapping[str, Any] | None) -> None:
    """Have torch use as many threads as when a checkpoint was made, for sums over many of them are
    rounded differently. They stay: what comes after the training is computed alike too."""
    if saved is not None:
        torch.set_num_threads(saved["threads"])


def differences(saved: Mapping[str, Any] | None, now: Fingerprint) -> dict[str, list[Any]]:
    """By name, what it was when the checkpoint was made and what it is now."""
    if saved is None:
        return {"fingerprint": [UNKNOWN, "known"]}
    names = sorted({*saved, *now})
    both = {name: [saved.get(name, UNKNOWN), now.get(name, UNKNOWN)] for name in names}
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}
