"""What a failed run may say to its owner, and what only to the operator."""

from __future__ import annotations

import re
import traceback

from models.errors import Interrupted, PipelineError
from workers.messages import Message

MAX_MESSAGE = 500
PATH = re.compile(r"(?<![\w/.])(?:[A-Za-z]:\\|~?/|\.{1,2}/)[^\s'\",;:()\[\]]*")
"""An absolute path, or one that starts from the home or the current directory."""

ALLOCATORS = ("DefaultCPUAllocator", "bad_alloc", "bad allocation")


def last_word(error: BaseException) -> Message:
    """The message that ends a run which raised `error`."""
    if isinstance(error, Interrupted):
        return {"type": "interrupted", "reason": error.reason}
    if isinstance(error, PipelineError):
        return {"type": "error", "code": error.code, "message": clean(str(error))}
    if _is_out_of_memory(error):
        return {"type": "error", "code": "oom", "message": "the run needs more memory than it has"}
    return {"type": "error", "code": "pipeline_error", "message": _describe(error)}


def trace(error: BaseException) -> Message | None:
    """The traceback, for errors that the pipeline did not foresee."""
    if isinstance(error, Interrupted | PipelineError):
        return None
    return {"type": "trace", "text": "".join(traceback.format_exception(error))}


def _is_out_of_memory(error: BaseException) -> bool:
    """Python's own, torch's for accelerators, and two that have no type: torch's for the CPU, and
    what C++ code raises."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and any(word in str(error) for word in ALLOCATORS))
    )


def _describe(error: BaseException) -> str:
    """The type and the first line: what it is, without where it was."""
    said = (error.strerror or "") if isinstance(error, OSError) else str(error)
    first = clean(said.strip().partition("\n")[0])
    failed = f"the pipeline failed with {type(error).__name__}"
    return f"{failed}: {first}" if first else failed


def clean(text: str) -> str:
    """`text` for the owner's eyes: printable, without paths, and not too long."""
    printable = text.encode(errors="replace").decode()
    return PATH.sub("…", printable)[:MAX_MESSAGE]
