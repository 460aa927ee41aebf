"""uvicorn's server, without its command line and what that imports: click, its supervisors, and the
library by which it watches source files where that is installed. 1 MB of each process.

All of uvicorn that an API process uses is imported here, since a module of it that came later would
bring the rest.
"""

from __future__ import annotations

from services.absent import bare

with bare("uvicorn") as package:
    from uvicorn.config import Config

    package.Config = Config
    from uvicorn.lifespan import on as _lifespan
    from uvicorn.loops import uvloop as _loop
    from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
    from uvicorn.server import Server

__all__ = ["STATUS_LINE", "Config", "HttpToolsProtocol", "Server"]

_BY_NAME = (_lifespan, _loop)
"""What uvicorn's configuration finds by its name."""
