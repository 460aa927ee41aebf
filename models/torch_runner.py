"""A torch callable behind the `Runner` port; what the backends on torch share.

Imports torch, so the backends bind this module through `lazy`; a lazy torch here would be looked
up at each use, 20 µs a call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.backends.base import Tensors, closed, empty_outputs
from models.rows import row_count
from models.signature import Signature


class TorchRunner:
    """Runs `module(*tensors) -> tensor | tuple of tensors` on numpy arrays, on the CPU.

    torch's thread count belongs to the calling thread (an OpenMP control variable), so `threads`
    is set around each call and put back; both together cost 0.2 µs, nothing where it is already
    so. Matrix products of MKL follow the last value set by any thread: two runners with different
    counts, run at once, may see each other's.
    """

    def __init__(
        self,
        module: Callable[..., Any],
        signature: Signature,
        *,
        threads: int | None = None,
        channels_last: bool = False,
    ) -> None:
        """With `channels_last` inputs of four dimensions are laid out so before each call."""
        self._module = module
        self._signature = signature
        self._input_names = [spec.name for spec in signature.inputs]
        self._output_names = [spec.name for spec in signature.outputs]
        self._threads = threads
        self._tensor = _picture if channels_last else _tensor

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        if row_count(inputs) == 0:
            return empty_outputs(self._signature)
        before = torch.get_num_threads()
        wanted = self._threads or before
        if wanted == before:
            return self._call(inputs)
        torch.set_num_threads(wanted)
        try:
            return self._call(inputs)
        finally:
            torch.set_num_threads(before)

    def close(self) -> None:
        self._module = closed

    def _call(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        with torch.inference_mode():
            outputs = self._module(*[self._tensor(inputs[name]) for name in self._input_names])
            if isinstance(outputs, torch.Tensor):
                outputs = (outputs,)
            return {
                name: output.contiguous().numpy()
                for name, output in zip(self._output_names, outputs, strict=True)
            }


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    """Shares memory where torch can: writable, aligned, C-contiguous arrays.

    Others are copied: `numpy.frombuffer` over a request's body is read-only, and unaligned
    whenever the header before it has an odd length. The copy ends in memory of torch's own, which
    is aligned to 64 bytes: matrix products of the CPU give other last bits at other alignments,
    and the same rows shall give the same answer whatever the length of the header.
    """
    if array.flags.carray:
        return torch.from_numpy(array)
    return torch.from_numpy(np.array(array, order="C")).clone()


def _picture(array: NDArray[Any]) -> torch.Tensor:
    tensor = _tensor(array)
    if tensor.ndim != 4:
        return tensor
    return tensor.contiguous(memory_format=torch.channels_last)
