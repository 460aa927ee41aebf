"""The process that imports one model: `python -m models.imports DIRECTORY`.

It reads `request.json` in its directory and writes `answer.json` there: `{"publication",
"origin"}`, or `{"refused": {"field", "message"}}`. It takes no more memory than it was told, and
ends when its stdin does, which its parent holds open.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from setproctitle import setproctitle

from models.errors import RefusedModel
from models.files import write_atomically
from models.imports.onnx_files import import_onnx
from models.imports.requests import ANSWER, Format, ImportRequest
from models.imports.state_dicts import import_state_dict

IMPORTS = {"onnx": import_onnx, "safetensors": import_state_dict}
LIBRARIES: dict[Format, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxruntime"),
    "safetensors": ("torch", "torch.onnx", "onnx", "onnxruntime", "models.servable"),
}
"""What is imported before memory is limited: it is not the file's fault."""


def main(directory: Path) -> None:
    setproctitle("torchkiln: importer")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    request = ImportRequest.read(directory)
    warnings.simplefilter("ignore")  # the exporters' about themselves; certificates say what counts
    for library in LIBRARIES[request.format]:
        import_module(library)
    _limit(request.memory_bytes)
    write_atomically(directory / ANSWER, json.dumps(_answer(request), allow_nan=False).encode())


def _answer(request: ImportRequest) -> dict[str, Any]:
    try:
        publication, origin = IMPORTS[request.format](request)
    except RefusedModel as error:
        return {"refused": {"field": error.field, "message": str(error)}}
    except MemoryError:
        message = f"expected a model that needs at most {request.memory_bytes} bytes, got more"
        return {"refused": {"field": "file", "message": message}}
    return {"publication": publication.to_json(), "origin": origin}


def _limit(memory_bytes: int) -> None:
    """Of address space, which is what the system can limit; and no core file of what crashes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    most = pages * os.sysconf("SC_PAGE_SIZE") + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
