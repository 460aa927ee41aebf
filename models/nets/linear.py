"""The tutorial's section 5: no hidden layer."""

from __future__ import annotations

from torch import Tensor, nn


class Linear(nn.Module):
    """One affine map, the tutorial's section 5: (n, inputs) → (n, outputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)
