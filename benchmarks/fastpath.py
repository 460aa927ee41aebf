"""What the fast path costs a request, without sockets: `python -m benchmarks.fastpath`.

The whole product but for the kernel: protocol class, key, plans, engine, batches and answers, with
an ONNX model in a real registry; requests are handed to the protocol as uvloop would, and answers
taken from a transport that forgets them. Of gRPC it is all that is torchkiln's: the method that
grpcio calls, from a message's bytes to its answer's. `--counted` is for `benchmarks.instructions`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import uvloop
from uvicorn.server import ServerState

from api import auth
from api.app import create_app
from api.fast import FastInfer
from api.grpc.fast import model_infer
from api.grpc.messages import pb
from api.main import uvicorn_config
from api.memory import settle_collector
from api.protocol import KilnProtocol
from benchmarks import registry
from services import logging
from services.container import Container
from services.keys import Scope
from services.serving.pace import Pace

NAME, INPUT = "mlp", "features"
ROUNDS = 7


class Sink(asyncio.Transport):
    """Takes answers and counts the good ones."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not bytes(data[:15]) == b"HTTP/1.1 200 OK":
            raise RuntimeError(f"expected 200, got {bytes(data[:300])!r}")
        self.answers += 1

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class Context:
    """What of a gRPC call's context is used."""

    def __init__(self, secret: str) -> None:
        self._metadata = (("x-api-key", secret),)

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    def time_remaining(self) -> float | None:
        return None

    def set_trailing_metadata(self, metadata: Sequence[tuple[str, str]]) -> None: ...


class Bench:
    """Connections to one application, all in this event loop."""

    def __init__(self, container: Container, secret: str, connections: int) -> None:
        self.app, self.state = create_app(container)
        self._secret = secret
        self._sinks = [Sink() for _ in range(connections)]
        config = uvicorn_config(self.app, self.state)
        server = ServerState()
        fast = FastInfer(self.state)
        loop = asyncio.get_running_loop()
        self._protocols = [
            KilnProtocol(config, server, {}, _loop=loop, fast=fast) for _ in self._sinks
        ]
        for protocol, sink in zip(self._protocols, self._sinks, strict=True):
            protocol.connection_made(sink)
        self._call = model_infer(self.state, _slow)
        self._context = Context(secret)

    async def ready(self) -> None:
        """With the model in memory, the key known, and nothing going on in the background."""
        await self.state.engine.start()
        while self.state.engine.not_ready() is not None:
            await asyncio.sleep(0.01)
        await self.state.engine.watch.stop()
        settle_collector()

    def believe_quick(self) -> None:
        """An emulated processor makes the model seem slow, and its calls would go to a thread."""
        for key in self.state.engine.cache:
            runner = self.state.engine.cache.peek(key)
            if runner is not None:
                runner.pace = Pace(1e-6, 1e-6)

    async def know_key(self) -> None:
        await self.state.authenticator.require(Scope.PREDICT, self._secret.encode())

    async def run(self, way: str, request: bytes, count: int) -> None:
        """`count` rounds, in each of which every connection has one request, all at once."""
        if way == "grpc":
            for _ in range(count):
                await asyncio.gather(*(self._call(request, self._context) for _ in self._sinks))
        else:
            await self._run_http(request, count)

    async def _run_http(self, request: bytes, count: int) -> None:
        before = sum(sink.answers for sink in self._sinks)
        for _ in range(count):
            for protocol in self._protocols:
                protocol.data_received(request)
            for _ in range(3):
                await asyncio.sleep(0)
        answered = sum(sink.answers for sink in self._sinks) - before
        if answered != count * len(self._sinks):
            raise RuntimeError(f"expected {count * len(self._sinks)} answers, got {answered}")


async def _slow(_message: bytes, _context: Any) -> Any:
    raise RuntimeError("expected the fast path to take every call")


def requests(secret: str) -> dict[str, bytes]:
    """One row of the MLP, as the bytes of a whole request, by the way its numbers are sent."""
    row = np.random.default_rng(0).random((1, 784)).round(4).astype(np.float32)
    tensor: dict[str, Any] = {"name": INPUT, "shape": [1, 784], "datatype": "FP32"}
    numbers = [round(float(value), 4) for value in row[0]]
    text = orjson.dumps({"inputs": [{**tensor, "data": numbers}]})
    size = {"parameters": {"binary_data_size": row.nbytes}}
    wanted = [{"name": "probabilities", "parameters": {"binary_data": True}}]
    head = orjson.dumps({"inputs": [{**tensor, **size}], "outputs": wanted})
    message = pb.ModelInferRequest(model_name=NAME, raw_input_contents=[row.tobytes()])
    message.inputs.add(name=INPUT, datatype="FP32", shape=row.shape)
    return {
        "json": _http(secret, text),
        "binary": _http(secret, head + row.tobytes(), len(head)),
        "grpc": message.SerializeToString(),
    }


def _http(secret: str, body: bytes, head_length: int | None = None) -> bytes:
    lines = [
        f"POST /v2/models/{NAME}/infer HTTP/1.1",
        "Host: 127.0.0.1",
        f"X-API-Key: {secret}",
        f"Content-Length: {len(body)}",
    ]
    if head_length is not None:
        lines.append(f"Inference-Header-Content-Length: {head_length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def counted(directory: Path, secret: str, way: str, connections: int, count: int) -> None:
    """For `benchmarks.instructions`: warm up, tell it, wait for its word, run, tell it again."""
    container = registry.opened(directory)
    try:
        bench = Bench(container, secret, connections)
        await bench.ready()
        bench.believe_quick()
        auth.FRESH_S = float("inf")  # so that no key is asked for again in the middle
        await bench.know_key()
        request = requests(secret)[way]
        await bench.run(way, request, 20)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        await bench.run(way, request, count)
        sys.stdout.write("done\n")
        sys.stdout.flush()
        sys.stdin.readline()
    finally:
        container.close()


async def timed(directory: Path, secret: str) -> None:
    container = registry.opened(directory)
    try:
        for connections in (1, 64):
            bench = Bench(container, secret, connections)
            await bench.ready()
            for way, request in requests(secret).items():
                best = float("inf")
                for _ in range(ROUNDS):
                    await bench.know_key()
                    started = time.perf_counter()
                    await bench.run(way, request, 6400 // connections)
                    best = min(best, time.perf_counter() - started)
                print(f"{way}, {connections} at once: {best / 6400 * 1e6:.1f} µs a request")
            await bench.state.engine.stop()
    finally:
        container.close()


def prepare(directory: Path) -> str:
    """A registry with the model, in `directory`. → a key that may predict."""
    from benchmarks.backends import Quiet, model  # imports torch, which the counted have no use for
    from models.backends import BACKENDS
    from models.publishing import publish

    net = {"inputs": 784, "hidden": [128, 64], "outputs": 10, "dropout": 0.2}
    only = {"onnxruntime": BACKENDS["onnxruntime"]}
    made = publish(model(net), directory / "exported", report=Quiet(), backends=only)
    with registry.empty(directory) as container:
        registry.add(container, NAME, made)
        return container.keys.create("benchmark", [Scope.PREDICT])[1]


def main() -> None:
    logging.configure("benchmark", level="error")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--counted", nargs=5, metavar=("DIRECTORY", "KEY", "WAY", "CONNECTIONS", "ROUNDS")
    )
    options = parser.parse_args()
    if options.counted:
        directory, secret, way, connections, rounds = options.counted
        uvloop.run(counted(Path(directory), secret, way, int(connections), int(rounds)))
        return
    with tempfile.TemporaryDirectory(prefix="torchkiln-bench-") as place:
        secret = prepare(Path(place))
        uvloop.run(timed(Path(place), secret))


if __name__ == "__main__":
    main()
