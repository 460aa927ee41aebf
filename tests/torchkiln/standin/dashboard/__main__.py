"""Answers on its port with what it was given."""

import json
import os
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer

TOLD = ("URL", "DASHBOARD_HOST", "DASHBOARD_PORT")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({name: os.environ.get(f"TORCHKILN_{name}") for name in TOLD}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(HTTPServer):
    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()


at = os.environ["TORCHKILN_DASHBOARD_HOST"], int(os.environ["TORCHKILN_DASHBOARD_PORT"])
with Server(at, Handler) as server:
    server.serve_forever()
