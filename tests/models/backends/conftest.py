"""A model exported through every backend, and the rows of the table to test with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.backends import BACKENDS
from models.backends.base import Backend, Runner
from models.publishing import TrainedModel
from tests.support.models import MODELS, Exported, image_model


@pytest.fixture(scope="module", params=MODELS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A model exported through every backend."""
    return _export(MODELS[request.param](), tmp_path_factory.mktemp("version"))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return _export(image_model(), tmp_path_factory.mktemp("image"))


def _export(trained: TrainedModel, directory: Path) -> Exported:
    for backend in BACKENDS.values():
        backend.export(trained.servable, trained.heldout, trained.signature, directory)
    return Exported(trained, directory)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param]


@pytest.fixture
def runner(backend: Backend, image: Exported) -> Iterator[Runner]:
    runner = backend.load(image.directory, image.trained.signature, threads=1)
    yield runner
    runner.close()
