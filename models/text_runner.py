"""Text between the protocol's bytes and a library that takes and gives `str`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.backends.base import Runner
from models.rows import Tensors
from models.signature import BYTES, Signature


def with_text(runner: Runner, signature: Signature) -> Runner:
    """`runner` itself where no tensor is text, so that models of numbers pay nothing for it."""
    specs = (*signature.inputs, *signature.outputs)
    return TextRunner(runner, signature) if any(s.datatype == BYTES for s in specs) else runner


class TextRunner:
    """A `Runner` around one whose text is `str`."""

    def __init__(self, runner: Runner, signature: Signature) -> None:
        self._runner = runner
        self._inputs = [spec.name for spec in signature.inputs if spec.datatype == BYTES]
        self._outputs = [spec.name for spec in signature.outputs if spec.datatype == BYTES]

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Raises `UnicodeDecodeError` for bytes that are no UTF-8."""
        given = dict(inputs)
        for name in self._inputs:
            given[name] = _each(_text, given[name])
        answer = self._runner.run(given)
        for name in self._outputs:
            answer[name] = _each(_bytes, answer[name])
        return answer

    def close(self) -> None:
        self._runner.close()


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _each(convert: Any, array: NDArray[Any]) -> NDArray[Any]:
    made = np.empty(array.size, np.object_)
    made[:] = [convert(value) for value in array.ravel()]
    return made.reshape(array.shape)
