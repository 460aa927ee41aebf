"""An unmodified `tritonclient.grpc`, and what the image model answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from numpy.typing import NDArray

from tests.api.conftest import Process
from tests.support.published import trained

Array = NDArray[Any]


@pytest.fixture
def client(process: Process) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(process.grpc) as made:
        yield made


@pytest.fixture(scope="session")
def rows() -> Array:
    return trained("image").heldout["images"][:5]


def tensor(array: Array, name: str = "images", datatype: str = "FP32") -> triton.InferInput:
    return triton.InferInput(name, list(array.shape), datatype).set_data_from_numpy(array)


def expected(rows: Array) -> Array:
    import torch

    return trained("image").servable(torch.from_numpy(rows)).detach().numpy()


def is_right(result: triton.InferResult, rows: Array) -> bool:
    found = result.as_numpy("probabilities")
    return found is not None and np.allclose(found, expected(rows), atol=1e-5)
