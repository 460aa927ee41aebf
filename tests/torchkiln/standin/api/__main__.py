"""Answers 200 on every path, with what it was given. `api-exits` in the data directory: it
refuses to start."""

import json
import os
import socket
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

TOLD = ("HOST", "PORT", "DATA_DIR", "DATABASE_URL", "REDIS_URL", "JOB_SLOTS", "GRPC_PORT")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        told = {name: os.environ.get(f"TORCHKILN_{name}") for name in TOLD}
        body = json.dumps({"pid": os.getpid(), "cwd": os.getcwd(), **told}).encode()  # noqa: PTH109
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(HTTPServer):
    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()


if (Path(os.environ["TORCHKILN_DATA_DIR"]) / "api-exits").exists():
    sys.exit("the api says why it does not start")
with Server(("127.0.0.1", int(os.environ["TORCHKILN_PORT"])), Handler) as server:
    server.serve_forever()
