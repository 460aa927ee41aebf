"""The protocol's messages, from the package that carries Triton's definition of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from pydantic import BaseModel

from models.lazy import lazy
from services.absent import bare
from services.errors import Invalid

with bare("tritonclient.grpc"):  # which imports its clients, and 3 MB with them
    from tritonclient.grpc import service_pb2

if TYPE_CHECKING:
    from google.protobuf import json_format
else:
    json_format = lazy("google.protobuf.json_format")

Message = Any
"""Generated code has no types; what a message holds is checked where it is read."""

pb: Any = service_pb2
SERVICE: Any = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]


def filled(message: Message, answer: BaseModel) -> Message:
    """`message` with what HTTP says in JSON: the protocol's two forms have the same fields."""
    return json_format.ParseDict(answer.model_dump(), message, ignore_unknown_fields=True)


def parsed(kind: Any, data: bytes) -> Message:
    """The message of that generated class. Raises `Invalid`."""
    try:
        return kind.FromString(data)
    except DecodeError:
        name: str = kind.DESCRIPTOR.full_name
        raise Invalid(f"expected a message {name}, got bytes that are none") from None
