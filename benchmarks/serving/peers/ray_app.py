# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
"""Ray Serve: a deployment behind its HTTP proxy."""

import logging
import signal

import numpy as np
import ray
from onnx_model import Model
from ray import serve
from settings import SETTINGS


@serve.deployment(
    num_replicas=int(SETTINGS["workers"]),
    max_ongoing_requests=100,
    ray_actor_options={"num_cpus": 0.1},
    logging_config={"enable_access_log": False, "log_level": "WARNING"},
)
class Predictor:
    def __init__(self) -> None:
        self.model = Model()

    async def __call__(self, request):
        body = await request.json()
        return {"outputs": self.model(np.array(body["inputs"], np.float32)).tolist()}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(
        http_options={"host": SETTINGS["host"], "port": int(SETTINGS["port"])},
        logging_config={"enable_access_log": False, "log_level": logging.WARNING},
    )
    serve.run(Predictor.bind(), route_prefix="/predict")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        ray.shutdown()
