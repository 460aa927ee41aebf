# pyright: basic, reportMissingImports=false
"""Triton by PyTriton: the C++ server with its one backend, a Python function behind a socket."""

import numpy as np
from onnx_model import Model
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig
from settings import SETTINGS


def inference():
    model = Model()

    @batch
    def infer(**inputs):
        return {SETTINGS["output"]: model(inputs[SETTINGS["input"]])}

    return infer


if __name__ == "__main__":
    grpc_port, metrics_port, *_ = map(int, SETTINGS["more_ports"].split(","))
    config = TritonConfig(
        http_address=SETTINGS["host"],
        http_port=int(SETTINGS["port"]),
        grpc_address=SETTINGS["host"],
        grpc_port=grpc_port,
        metrics_port=metrics_port,
        log_verbose=0,
    )
    width = int(SETTINGS["inputs"])
    with Triton(config=config) as triton:
        triton.bind(
            model_name=SETTINGS["name"],
            infer_func=[inference() for _ in range(int(SETTINGS["workers"]))],
            inputs=[Tensor(name=SETTINGS["input"], dtype=np.float32, shape=(width,))],
            outputs=[Tensor(name=SETTINGS["output"], dtype=np.float32, shape=(-1,))],
            config=ModelConfig(
                max_batch_size=64, batcher=DynamicBatcher(max_queue_delay_microseconds=0)
            ),
        )
        triton.serve()
