"""The tutorial's sections 1 to 3: does torch on this device do what the tutorial says it does?

Each check gives what it got and what is known to be right; they are compared as JSON values.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from models.errors import PipelineError
from models.lazy import lazy
from models.params import PipelineParams
from models.pipelines.base import Pipeline
from models.run import Outcome, RunContext

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models import artifacts, determinism
else:
    np, torch = lazy("numpy"), lazy("torch")
    artifacts, determinism = lazy("models.artifacts"), lazy("models.determinism")

Check = Callable[["torch.device"], tuple[Any, Any]]
"""On a device → what came out, and what is known to be right."""


class DiagnosticsParams(PipelineParams, frozen=True):
    """Nothing to choose."""


def _tensor(device: torch.device) -> tuple[Any, Any]:
    return torch.tensor([1, 2, 3, 4], device=device).tolist(), [1, 2, 3, 4]


def _from_numpy(device: torch.device) -> tuple[Any, Any]:
    array = np.array([1, 2, 3, 4])
    shared = torch.from_numpy(array)
    array[0] = 9  # the tensor sees it: from_numpy shares memory
    return shared.to(device).tolist(), [9, 2, 3, 4]


def _zeros(device: torch.device) -> tuple[Any, Any]:
    return torch.zeros(3, 4, device=device).tolist(), [[0.0] * 4] * 3


def _ones(device: torch.device) -> tuple[Any, Any]:
    return torch.ones(2, 3, device=device).tolist(), [[1.0] * 3] * 2


def _rand(device: torch.device) -> tuple[Any, Any]:
    drawn = torch.rand(2, 4, device=device)
    inside = bool(((drawn >= 0) & (drawn < 1)).all())
    return {"shape": list(drawn.shape), "in [0, 1)": inside}, {"shape": [2, 4], "in [0, 1)": True}


def _randn(device: torch.device) -> tuple[Any, Any]:
    """Ten standard errors of 10,000 draws: the mean's is 0.01, the deviation's 0.007."""
    drawn = torch.randn(100, 100, device=device)
    near = {
        "mean within 0.1 of 0": abs(drawn.mean().item()) < 0.1,
        "deviation within 0.07 of 1": abs(drawn.std().item() - 1) < 0.07,
    }
    return near, dict.fromkeys(near, True)


def _properties(device: torch.device) -> tuple[Any, Any]:
    drawn = torch.rand(2, 4, device=device)
    got = {"shape": list(drawn.shape), "dtype": str(drawn.dtype), "device": drawn.device.type}
    return got, {"shape": [2, 4], "dtype": "torch.float32", "device": device.type}


def _add(device: torch.device) -> tuple[Any, Any]:
    a, b = (torch.tensor(values, device=device) for values in ([1, 2, 3], [4, 5, 6]))
    return (a + b).tolist(), [5, 7, 9]


def _multiply(device: torch.device) -> tuple[Any, Any]:
    a, b = (torch.tensor(values, device=device) for values in ([1, 2, 3], [4, 5, 6]))
    return (a * b).tolist(), [4, 10, 18]


def _matmul(device: torch.device) -> tuple[Any, Any]:
    # The tutorial's integers as floats: CUDA has no matrix product of integers.
    a, b = (torch.tensor(values, device=device) for values in ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]))
    return torch.matmul(a, b).item(), 32.0


def _view(device: torch.device) -> tuple[Any, Any]:
    square = torch.arange(16, device=device).view(4, 4)
    return square.view(2, 8).tolist(), [list(range(8)), list(range(8, 16))]


def _transpose(device: torch.device) -> tuple[Any, Any]:
    square = torch.arange(4, device=device).view(2, 2)
    return square.t().tolist(), [[0, 2], [1, 3]]


def _moving(device: torch.device) -> tuple[Any, Any]:
    there = torch.tensor([1, 2, 3, 4]).to(device)
    back = there.cpu()
    got = {"there": there.device.type, "back": back.device.type, "values": back.tolist()}
    return got, {"there": device.type, "back": "cpu", "values": [1, 2, 3, 4]}


def _gradients(device: torch.device) -> tuple[Any, Any]:
    """z = x² + y³ at (2, 3): dz/dx = 2x = 4 and dz/dy = 3y² = 27."""
    x = torch.tensor(2.0, device=device, requires_grad=True)
    y = torch.tensor(3.0, device=device, requires_grad=True)
    (x**2 + y**3).backward()
    return {"dz/dx": _grad(x).item(), "dz/dy": _grad(y).item()}, {"dz/dx": 4.0, "dz/dy": 27.0}


def _matrix_gradient(device: torch.device) -> tuple[Any, Any]:
    """d(sum of inputs @ weights)/d(weights) has in each row the sum of that input."""
    weights = torch.randn(4, 3, device=device, requires_grad=True)
    inputs = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]], device=device)
    torch.matmul(inputs, weights).sum().backward()
    return _grad(weights).tolist(), [[total] * 3 for total in (6.0, 8.0, 10.0, 12.0)]


def _detach(device: torch.device) -> tuple[Any, Any]:
    a = torch.randn(2, 2, device=device, requires_grad=True)
    doubled = a * 2
    apart = doubled.detach()
    got = {
        "before": doubled.requires_grad,
        "after": (apart * 3).requires_grad,
        "same values": bool((apart == doubled).all()),
    }
    return got, {"before": True, "after": False, "same values": True}


def _through_detached(device: torch.device) -> tuple[Any, Any]:
    """What was detached does not count: only 5a reaches the gradient."""
    a = torch.randn(2, 2, device=device, requires_grad=True)
    (a * 5 + (a * 2).detach() * 3).sum().backward()
    return _grad(a).tolist(), [[5.0, 5.0], [5.0, 5.0]]


def _zeroing(device: torch.device) -> tuple[Any, Any]:
    """Gradients add up over backward passes until they are zeroed."""
    a = torch.ones(2, device=device, requires_grad=True)
    seen: list[Any] = []
    for _ in range(2):
        (a * 5).sum().backward()
        seen.append(_grad(a).tolist())
    seen.append(_grad(a).zero_().tolist())
    return seen, [[5.0, 5.0], [10.0, 10.0], [0.0, 0.0]]


def _grad(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.grad is None:
        raise PipelineError("backward() left no gradient")
    return tensor.grad


CHECKS: dict[str, Check] = {
    "tensor from a list": _tensor,
    "tensor from numpy": _from_numpy,
    "zeros": _zeros,
    "ones": _ones,
    "uniform random numbers": _rand,
    "normal random numbers": _randn,
    "shape, dtype and device": _properties,
    "addition": _add,
    "element-wise multiplication": _multiply,
    "matrix multiplication": _matmul,
    "reshaping": _view,
    "transposition": _transpose,
    "moving to the device and back": _moving,
    "gradients of x**2 + y**3": _gradients,
    "gradient of a matrix product": _matrix_gradient,
    "detaching": _detach,
    "gradient beside a detached branch": _through_detached,
    "accumulating and zeroing gradients": _zeroing,
}


def run(context: RunContext, _params: DiagnosticsParams) -> Outcome:
    """Raises `PipelineError` naming the checks that fail, after writing all of them down."""
    determinism.seed_everything(context.seed)
    device = torch.device(context.device)
    checks: list[dict[str, Any]] = []
    for number, (name, check) in enumerate(CHECKS.items(), start=1):
        got, expected = check(device)
        checks.append({"name": name, "expected": expected, "got": got, "passed": got == expected})
        context.report.progress(epoch=0, epochs=1, step=number, steps=len(CHECKS))
    environment = _environment(device)
    report = {"environment": environment, "checks": checks}
    artifacts.Artifacts(context).numbers("checks", "Diagnostic checks", report)
    failed = [
        f"{check['name']} (expected {check['expected']}, got {check['got']})"
        for check in checks
        if not check["passed"]
    ]
    if failed:
        raise PipelineError(f"{len(failed)} of {len(checks)} checks failed: {'; '.join(failed)}")
    context.report.progress(epoch=1, epochs=1, step=len(CHECKS), steps=len(CHECKS))
    return Outcome({"passed": len(checks), "failed": 0, **report})


def _environment(device: torch.device) -> dict[str, Any]:
    """What the tutorial's section 1 prints, and what results may depend on."""
    cuda = torch.cuda.is_available()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cuda_available": cuda,
        "cuda_version": torch.version.cuda if cuda else None,
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
    }


PIPELINE = Pipeline(
    name="diagnostics",
    title="Tensor operations and automatic differentiation, checked on the device",
    section="1",
    task="diagnostic",
    params=DiagnosticsParams,
    run=run,
    produces_model=False,
)
