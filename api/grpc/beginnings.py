"""How messages begin that differ only in the raw bytes at their end: known again without parsing.

Clients send the same message again and again, around other numbers, and write the numbers last.
What a parse has found in one of them holds for every message of its length that begins like it.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError

from api.grpc.messages import Message, pb
from services.serving.v2_plans import MAX_JSON

MAX_LENGTHS = 256
"""Then all are forgotten, which costs each client one more parse."""
MAX_OF_A_LENGTH = 8
MAX_MESSAGE = 2**20
"""Bytes of a message worth knowing: to parse a longer one is little beside running it."""

OTHERS = bytes(range(255, -1, -1))
"""For each byte another one."""

Target = tuple[str, str | None]
"""A model, and the version if the message names one."""


def target_of(message: Message) -> Target:
    return message.model_name, message.model_version or None


class Beginnings:
    """One a process."""

    def __init__(self) -> None:
        self._known: dict[int, list[tuple[bytes, Target]]] = {}

    def find(self, data: bytes) -> tuple[int, Target] | None:
        """→ where the raw bytes of the message begin, and what it is for."""
        for beginning, target in self._known.get(len(data), ()):
            if data.startswith(beginning):
                return len(beginning), target
        return None

    def learn(self, data: bytes, message: Message) -> int | None:
        """`message` is what `data` say, and has one raw tensor. → what `find` will for others like
        it; None if they are not to be known, because this one is not as most are."""
        found = self.find(data)
        if found is not None:
            return found[0]
        raw: bytes = message.raw_input_contents[0]
        size = len(data) - len(raw)
        if message.id or not raw or len(data) > MAX_MESSAGE or size > MAX_JSON:
            return None
        if not _ends_with(data, message, raw):
            return None
        if len(self._known) >= MAX_LENGTHS:
            self._known.clear()
        same_length = self._known.setdefault(len(data), [])
        same_length.append((data[:size], target_of(message)))
        del same_length[:-MAX_OF_A_LENGTH]
        return size


def _ends_with(data: bytes, message: Message, raw: bytes) -> bool:
    """Whether the end of `data` is its raw tensor, and not bytes that look the same: with others in
    their place it must be the same message but for the tensor."""
    if not data.endswith(raw):
        return False
    others = raw.translate(OTHERS)
    expected = pb.ModelInferRequest()
    expected.CopyFrom(message)
    expected.raw_input_contents[0] = others
    try:
        got = pb.ModelInferRequest.FromString(data[: len(data) - len(raw)] + others)
    except DecodeError:  # they are in the place of text
        return False
    return got == expected
