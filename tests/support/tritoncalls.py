"""The calls of tritonclient's HTTP clients, which are the same in the sync and the aio one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.published import trained

NOT_SUPPORTED: dict[str, tuple[Any, ...]] = {
    "get_system_shared_memory_status": (),
    "register_system_shared_memory": ("r", "/r", 64),
    "unregister_system_shared_memory": (),
    "get_cuda_shared_memory_status": (),
    "register_cuda_shared_memory": ("r", "aGFuZGxl", 0, 64),
    "unregister_cuda_shared_memory": (),
    "get_trace_settings": (),
    "update_trace_settings": ("image", {"trace_level": ["OFF"]}),
    "get_log_settings": (),
    "update_log_settings": ({"log_info": True},),
}
"""By name, with arguments."""

ANSWERED = frozenset(
    {
        *("is_server_live", "is_server_ready", "is_model_ready", "get_server_metadata"),
        *("get_model_metadata", "get_model_config", "get_inference_statistics"),
        *("get_model_repository_index", "load_model", "unload_model", "infer"),
    }
)
WITHOUT_SERVER = frozenset(
    {
        *("close", "plugin", "register_plugin", "unregister_plugin"),
        *("generate_request_body", "parse_response_body"),
    }
)


def public(client: type) -> set[str]:
    return {name for name in dir(client) if not name.startswith("_")}


def heldout(count: int = 5) -> NDArray[Any]:
    """Rows of the model `image`."""
    return trained("image").heldout["images"][:count]


def expected(rows: NDArray[Any]) -> NDArray[Any]:
    """What the model `image` answers to them."""
    import torch

    return trained("image").servable(torch.from_numpy(rows)).detach().numpy()


def is_right(found: NDArray[Any], rows: NDArray[Any]) -> bool:
    return np.allclose(found, expected(rows), atol=1e-5)
