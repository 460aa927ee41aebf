"""Loading as tests want it: held back, failing, or by runners that tell which version they are."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from models.errors import ExportFailed
from models.signature import Signature
from services.container import Container
from services.serving import loading
from services.serving.pace import Pace
from services.serving.runners import LoadedRunner
from tests.support.models import FunctionRunner

QUICK = Pace(0.0, 1e-6)
DEADLINE_S = 20


class Loads:
    """Stands in for `loading.load`. A version's runner multiplies what it gets by its number."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, container: Container) -> None:
        self.opened: list[tuple[str, int, str]] = []
        """Model, version and backend of every load that began."""
        self.hurried: list[bool] = []
        """Whether somebody waited for it."""
        self.failing: set[int] = set()
        self.runners: dict[tuple[str, int, str], FunctionRunner] = {}
        self.pace = QUICK
        self._container = container
        self._gate = threading.Event()
        self._gate.set()
        monkeypatch.setattr(loading, "load", self)

    def hold(self) -> None:
        """Let no load come to its end until `release`."""
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    def __call__(
        self,
        backend: str,
        directory: Path,
        signature: Signature,
        *,
        size_bytes: int,
        queue_limit_s: float,
        hurry: bool,
        **_how: object,
    ) -> LoadedRunner:
        name, version = self._version_in(directory)
        self.opened.append((name, version, backend))
        self.hurried.append(hurry)
        assert self._gate.wait(DEADLINE_S)
        if version in self.failing:
            raise ExportFailed("model.onnx is missing")
        output = signature.outputs[0].name

        def answer(rows: NDArray[Any]) -> NDArray[Any]:
            assert not runner.closed, "it runs, though it has given its memory back"
            return rows * version

        runner = FunctionRunner(answer, output=output)
        self.runners[name, version, backend] = runner
        return LoadedRunner(runner, self.pace, size_bytes, queue_limit_s)

    def _version_in(self, directory: Path) -> tuple[str, int]:
        registry = self._container.registry
        for model in registry.models().data:
            for view in registry.versions(model.name).data:
                if registry.directory(view.row) == directory:
                    return model.name, view.row.version
        raise AssertionError(f"no version has its files in {directory}")
