# pyright: basic, reportMissingImports=false
"""What the peers' scripts share: the model by ONNX Runtime with one thread, as in torchkiln."""

from typing import Any

import numpy as np
import onnxruntime
from settings import SETTINGS


class Model:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            SETTINGS["model"], options, providers=["CPUExecutionProvider"]
        )

    def __reduce__(self) -> tuple[type["Model"], tuple[()]]:
        """A session does not travel: where a server sends its model to a worker, that loads it."""
        return Model, ()

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """(n, inputs) float32 → (n, outputs) float32."""
        return self._session.run([SETTINGS["output"]], {SETTINGS["input"]: rows})[0]
