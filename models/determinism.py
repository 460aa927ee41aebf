"""Everything random in a run comes from its seed, and can be put back to where it was."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor


def derive(seed: int, *parts: str | int) -> int:
    """A seed of its own for one purpose (`derive(seed, "order", epoch)`), 63 bits.

    By SHA-256, so that neighbouring seeds and epochs have nothing in common, and the same on every
    platform and version.
    """
    text = "/".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_everything(seed: int) -> None:
    """Set the global generators of torch (every device), numpy and Python."""
    state = derive(seed, "global")
    torch.manual_seed(state)
    np.random.seed(state % 2**32)
    random.seed(state)


def permutation(rows: int, seed: int, epoch: int) -> Tensor:
    """The order of an epoch: int64 (rows,), on the CPU, a function of the arguments alone."""
    generator = torch.Generator().manual_seed(derive(seed, "order", epoch))
    return torch.randperm(rows, generator=generator)


@contextmanager
def deterministic() -> Generator[None]:
    """Inside, torch takes no algorithm whose result differs from run to run; it raises instead."""
    # A module with a property for an attribute, which checkers cannot see.
    memory: Any = torch.utils.deterministic
    # cuBLAS reads it when it is first used; without it torch refuses its matrix products here.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        memory.fill_uninitialized_memory,
    )
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    # Would fill each new tensor for the sake of code that reads before it writes; ours does not.
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = before[2]
        memory.fill_uninitialized_memory = before[3]


def random_state(device: torch.device) -> dict[str, Any]:
    """The global generators' states, of types that `torch.load(weights_only=True)` reads."""
    kind, keys, *rest = np.random.get_state()
    version, words, gauss = random.getstate()
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [kind, torch.from_numpy(np.asarray(keys, np.int64)), *rest],
        "python": [version, torch.tensor(words), gauss],
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    torch.set_rng_state(state["torch"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
