# pyright: basic, reportMissingImports=false
"""A handler of TorchServe: a list of requests in, as many answers out."""

import json

import numpy as np
from onnx_model import Model
from ts.torch_handler.base_handler import BaseHandler


class Handler(BaseHandler):
    def initialize(self, context) -> None:
        self.model = Model()
        self.initialized = True

    def handle(self, data, context):
        rows = [self.decoded(one.get("body") or one.get("data"))["inputs"] for one in data]
        return [{"outputs": row.tolist()} for row in self.model(np.array(rows, np.float32))]

    @staticmethod
    def decoded(body):
        return body if isinstance(body, dict) else json.loads(body)
