"""The HTTP client: `Client`, with a part for each noun of the service."""

from __future__ import annotations

from types import TracebackType
from typing import Self, cast

import httpx

from torchkiln.client.benchmarks import Benchmarks
from torchkiln.client.datasets import Datasets
from torchkiln.client.events import EventStream, is_terminal
from torchkiln.client.jobs import Jobs
from torchkiln.client.models import Models
from torchkiln.client.predictions import Predictions, tensor
from torchkiln.client.transport import CONNECT_S, Transport, is_loopback, path
from torchkiln.errors import TorchkilnError
from torchkiln.types import Json, Pipeline

__all__ = ["Client", "EventStream", "is_terminal", "tensor"]


class Client(Predictions):
    """Talks to one torchkiln service; use it as a context manager, in one thread.

    `client.datasets`, `client.jobs`, `client.models` and `client.benchmarks` hold what belongs to
    each noun; `predict`, `predict_image`, `predict_csv` and `infer` are the client's own. Answers
    are the contract's JSON as dictionaries (see `torchkiln.types`). Errors are those of
    `torchkiln.errors`: `Unreachable`, or a `Refused` that carries the problem's fields.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        *,
        timeout_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`api_key` is a `tk_…`, needed once the service has keys. `timeout_s` bounds the wait
        for each answer. `transport` is httpx's seam, for proxies of one's own and for tests.
        """
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        url = httpx.URL(base_url)
        if url.scheme not in {"http", "https"} or not url.host:
            raise TorchkilnError(
                f"expected an address like http://127.0.0.1:8000, got {base_url!r}"
            )
        self._transport = Transport(
            httpx.Client(
                base_url=url,
                headers=headers,
                timeout=httpx.Timeout(timeout_s, connect=CONNECT_S),
                transport=transport,
                trust_env=not is_loopback(url.host),  # a proxy cannot reach this machine's loopback
            )
        )
        self.datasets = Datasets(self._transport)
        self.jobs = Jobs(self._transport)
        self.models = Models(self._transport)
        self.benchmarks = Benchmarks(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the service."""
        self._transport.close()

    def health(self) -> Json:
        """Whether the service is ready; `parts` by name, each null or why it does not answer.

        Needs no key, and raises nothing while a part fails.
        """
        return self._transport.get_also("/readyz", 503)

    def system(self) -> Json:
        """Versions of Python, torch and ONNX Runtime; CUDA devices and their memory."""
        return self._transport.get("/v1/system")

    def workers(self) -> list[Json]:
        """The live workers: id, host, queues, device, slots, current job, last heartbeat."""
        return cast(list[Json], self._transport.get("/v1/workers")["data"])

    def pipelines(self) -> list[Pipeline]:
        return cast(list[Pipeline], self._transport.get("/v1/pipelines")["data"])

    def pipeline(self, name: str) -> Pipeline:
        """One pipeline with `params_schema`: defaults, bounds and a description of each param."""
        return cast(Pipeline, self._transport.get(path("v1", "pipelines", name)))
