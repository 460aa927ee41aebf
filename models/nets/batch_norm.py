"""Batch normalisation that also trains on the row that a division into batches may leave over."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class BatchNorm(nn.BatchNorm1d):
    """torch's, except that a training batch of one row is normalised by the running statistics.

    One row has no spread, so torch refuses it; but 33 rows in batches of 32 are nobody's mistake.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)

    def forward(self, input: Tensor) -> Tensor:
        return functional.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training and input.shape[0] > 1,
            0.1,  # torch's momentum; TorchScript reads no constant of a module
            self.eps,
        )
