"""Compressed requests and answers of inference. What takes its time is done in a thread."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from services.serving import bodies

if TYPE_CHECKING:  # which reads and answers by what is here
    from api.infer import Answer

LARGE = 1 << 14
"""Bytes from which on packing and unpacking leave the event loop to others."""


async def unpacked(body: bytes, encoding: bytes | None, *, limit: int) -> bytes:
    """The body as it was before `Content-Encoding`. Raises as `bodies.unpack`."""
    if encoding is None:
        return body
    name = encoding.decode("latin-1")
    if len(body) < LARGE:
        return bodies.unpack(body, name, limit=limit)
    return await asyncio.to_thread(bodies.unpack, body, name, limit=limit)


def asks(accept: bytes | None) -> str | None:
    """The coding that `Accept-Encoding` asks for, None for none."""
    return None if accept is None else bodies.wanted_encoding(accept.decode("latin-1"))


async def packed(answer: Answer, accept: bytes | None) -> Answer:
    """The answer in the coding that the client asks for. `Inference-Header-Content-Length` goes on
    counting what was packed."""
    encoding = asks(accept)
    if encoding is None:
        return answer
    if len(answer.body) < LARGE:
        body = bodies.pack(answer.body, encoding)
    else:
        body = await asyncio.to_thread(bodies.pack, answer.body, encoding)
    headers = [*answer.headers, (b"content-encoding", encoding.encode())]
    return replace(answer, headers=headers, body=body)
