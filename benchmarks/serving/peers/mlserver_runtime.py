# pyright: basic, reportMissingImports=false
"""A runtime of MLServer: Open Inference Protocol in, numpy, and out again."""

import mlserver
import numpy as np
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from onnx_model import Model
from settings import SETTINGS


class Runtime(mlserver.MLModel):
    async def load(self) -> bool:
        self.model = Model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32, copy=False)
        output = NumpyCodec.encode_output(SETTINGS["output"], self.model(rows))
        return InferenceResponse(model_name=self.name, outputs=[output])
