"""What a library says about a file, as one line fit for the user: no places in its own source, no
paths of this machine."""

from __future__ import annotations

import re

MAX_CHARACTERS = 300
NOISE = (
    re.compile(r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : "),
    re.compile(r"/\S+\.(?:cc|h|cpp):\d+ .*?\) (?=[A-Z])"),  # file, line, and a function's signature
    re.compile(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+"),
)


def reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    for pattern in NOISE:
        text = pattern.sub("", text)
    return text[:MAX_CHARACTERS] or type(error).__name__
