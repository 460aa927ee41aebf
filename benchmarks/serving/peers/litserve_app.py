# pyright: basic, reportMissingImports=false
"""LitServe: decode, predict, encode; one worker process a device."""

import litserve
import numpy as np
from onnx_model import Model
from settings import SETTINGS


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = Model()

    def decode_request(self, request):
        return np.array(request["inputs"], np.float32)[None]

    def predict(self, rows):
        return self.model(rows)

    def encode_response(self, output):
        return {"outputs": output[0].tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(
        Api(), accelerator="cpu", devices=1, workers_per_device=int(SETTINGS["workers"])
    )
    server.run(
        host=SETTINGS["host"],
        port=int(SETTINGS["port"]),
        num_api_servers=int(SETTINGS["workers"]),
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
