"""The outputs of a model → `ModelInferResponse`, every tensor as raw bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from api.grpc.messages import Message, pb
from models.signature import BYTES
from services.serving import classification, wire
from services.serving.batching import Outputs
from services.serving.v2_request import InferRequest
from services.serving.v2_template import Template
from services.serving.versions import ServedVersion


def write(
    request: InferRequest,
    served: ServedVersion,
    backend: str,
    outputs: Mapping[str, NDArray[Any]],
) -> Message:
    answer = pb.ModelInferResponse(
        model_name=served.name, model_version=str(served.version), id=request.id or ""
    )
    answer.parameters["backend"].string_param = backend
    for wanted in request.outputs:
        array, datatype = outputs[wanted.name], served.outputs[wanted.name].datatype
        if wanted.classes:
            array, datatype = classification.top(array, wanted.classes, served.classes), BYTES
        answer.outputs.add(name=wanted.name, datatype=datatype, shape=array.shape)
        answer.raw_output_contents.append(wire.write(array, datatype))
    return answer


class MessageTemplate(Template):
    """Answers that differ in their raw bytes alone, which are the end of a message: its fields are
    written in the order of their numbers, and theirs is the last."""

    def whole(self, outputs: Outputs) -> tuple[bytes, int | None]:
        message = write(self.request, self.served, self.backend, outputs)
        return message.SerializeToString(), message.ByteSize() - len(
            message.raw_output_contents[-1]
        )
