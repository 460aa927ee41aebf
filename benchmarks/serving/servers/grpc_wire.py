"""The Open Inference Protocol over gRPC, as messages that are made before anything is timed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2

from benchmarks.serving.models import INPUT
from benchmarks.serving.servers.base import GRPC, Request, Response, Row, Site, Wire
from benchmarks.serving.servers.wires import Headers, no_headers

METHOD = "/inference.GRPCInferenceService/ModelInfer"
messages: Any = service_pb2  # its classes are made when it is imported: nothing to check types by


def grpc_wire(metadata: Headers = no_headers) -> Wire:
    """Raw contents both ways. `metadata` has names in lower case."""

    def request(site: Site, row: Row) -> Request:
        message = messages.ModelInferRequest(model_name=site.model.name)
        message.inputs.add(name=INPUT, datatype="FP32", shape=[1, len(row)])
        message.raw_input_contents.append(row.astype("<f4").tobytes())
        return Request(METHOD, message.SerializeToString(), metadata(site))

    return Wire(request, _answer, protocol=GRPC)


def _answer(response: Response) -> Sequence[float]:
    message = messages.ModelInferResponse.FromString(response.body)
    if message.raw_output_contents:
        return np.frombuffer(message.raw_output_contents[0], "<f4").tolist()
    return list(message.outputs[0].contents.fp32_contents)
