# pyright: basic, reportMissingImports=false
"""BentoML with its adaptive batching; `bentoml serve` runs it."""

import bentoml
import numpy as np
from onnx_model import Model
from settings import SETTINGS


@bentoml.service(
    workers=int(SETTINGS["workers"]),
    logging={"access": {"enabled": False}},
    traffic={"timeout": 60},
)
class Predictor:
    def __init__(self) -> None:
        self.model = Model()

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=1000)
    def predict(self, inputs: np.ndarray) -> np.ndarray:
        return self.model(inputs.astype(np.float32))
