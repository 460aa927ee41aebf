"""What a file is, by its first bytes: enough to refuse most of what is no model without opening it
anywhere, and to say what it is instead."""

from __future__ import annotations

from models.errors import RefusedModel
from models.imports.requests import Format

HEAD_BYTES = 16
MAX_HEADER = 100_000_000
"""Of a safetensors file, as its own reader has it."""

MODEL_FIELDS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26})
"""Numbers of the fields of ONNX's `ModelProto`: one of them begins a file."""

OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive, such as torch.save and TorchScript write"),
    (b"\x80", "a pickle, which runs code when it is opened"),
    (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a GGUF file"),
    (b"ORTM", "ONNX Runtime's own format"),
)

EXPECTED: dict[Format, str] = {
    "onnx": "an ONNX model",
    "safetensors": "a safetensors state dict",
}


def check(head: bytes, size: int, wanted: Format) -> None:
    """Raise `RefusedModel` where a file of `size` bytes that begins with `head` is not `wanted`."""
    if wanted == "onnx" and _is_safetensors(head, size):
        raise RefusedModel(
            "expected the architecture that the weights are for, because the file is a "
            "safetensors state dict, got none",
            "architecture",
        )
    fits = _is_safetensors(head, size) if wanted == "safetensors" else _may_be_onnx(head)
    if not fits:
        raise RefusedModel(f"expected {EXPECTED[wanted]}, got {_what(head)}")


def _is_safetensors(head: bytes, size: int) -> bool:
    """Eight bytes of length, then a JSON object of that length."""
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 2 <= length <= min(size - 8, MAX_HEADER)


def _may_be_onnx(head: bytes) -> bool:
    """Whether it begins with the key of a field of the message: number and wire type in a varint
    (Protocol Buffers, "Encoding"). Integers have wire type 0, everything else that it holds 2."""
    if any(head.startswith(magic) for magic, _ in OTHERS) or not head:
        return False
    key = head[0] if head[0] < 0x80 else (head[0] & 0x7F) | int.from_bytes(head[1:2]) << 7
    return key >> 3 in MODEL_FIELDS and key & 7 == (0 if key >> 3 in (1, 5) else 2)


def _what(head: bytes) -> str:
    if not head:
        return "an empty file"
    found = (name for magic, name in OTHERS if head.startswith(magic))
    return next(found, f"a file that begins with {head[:8]!r}")
