# pyright: basic, reportMissingImports=false
"""The smallest ASGI application there is."""

import uvicorn
from settings import SETTINGS

HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"5")]


async def app(_scope, _receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"hello"})


if __name__ == "__main__":
    uvicorn.run(
        "hello:app",
        host=SETTINGS["host"],
        port=int(SETTINGS["port"]),
        workers=int(SETTINGS["workers"]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
