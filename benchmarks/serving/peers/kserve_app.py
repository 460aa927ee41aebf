# pyright: basic, reportMissingImports=false
"""The KServe SDK's own server, its access and latency logs off."""

import logging

import kserve
import numpy as np
from kserve.utils.utils import get_predict_response
from onnx_model import Model
from settings import SETTINGS


class Predictor(kserve.Model):
    def __init__(self) -> None:
        super().__init__(SETTINGS["name"])
        self.load()

    def load(self) -> bool:
        self.model = Model()
        self.ready = True
        return True

    def predict(self, payload, headers=None, response_headers=None):
        """Of the V1 protocol a dictionary, of V2 an `InferRequest`."""
        if isinstance(payload, dict):
            rows = np.array(payload["instances"], np.float32)
            return {"predictions": self.model(rows).tolist()}
        output = self.model(payload.inputs[0].as_numpy())
        return get_predict_response(payload, output, self.name)


if __name__ == "__main__":
    server = kserve.ModelServer(
        http_port=int(SETTINGS["port"]),
        workers=int(SETTINGS["workers"]),
        enable_grpc=False,
        enable_latency_logging=False,
    )
    for name in ("uvicorn.access", "kserve", "kserve.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
    server.start([Predictor()])
