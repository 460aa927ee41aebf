"""What stands before and after a net inside a served graph: `PRE` and `POST`.

Each module is built from sizes alone; its statistics are buffers, so they travel in the state
dict and `load_state_dict(strict=True)` restores them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

Statistic = Tensor | Sequence[float]


class Affine(nn.Module):
    """Base of the transforms by a mean and a standard deviation per feature or channel."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        # Not at the class: TorchScript takes an annotation there for its own, and reads no strings.
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("std", torch.ones(shape))

    def set(self, mean: Statistic, std: Statistic) -> Self:
        """Take statistics of as many values as the buffers hold, in any shape.

        A standard deviation of zero (a constant feature) becomes one, as in scikit-learn's
        `StandardScaler`: what does not vary is only shifted.
        """
        spread = torch.as_tensor(std, dtype=self.std.dtype)
        with torch.no_grad():
            self.mean.copy_(torch.as_tensor(mean, dtype=self.mean.dtype).reshape(self.mean.shape))
            spread = torch.where(spread == 0, torch.ones_like(spread), spread)
            self.std.copy_(spread.reshape(self.std.shape))
        return self


class Standardize(Affine):
    """Raw features (…, size) → (x - mean) / std, float32."""

    def __init__(self, size: int) -> None:
        super().__init__(size)

    def forward(self, x: Tensor) -> Tensor:
        return (x.to(self.mean.dtype) - self.mean) / self.std


class Normalize(Affine):
    """Raw pixels (n, channels, h, w) → (x - mean) / std per channel, float32.

    Floating-point pixels are in [0, 1]; uint8 ones in 0 to 255 and are scaled first, so that one
    pair of statistics serves both.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.to(self.mean.dtype)
        if x.dtype == torch.uint8:
            pixels = pixels / 255.0
        return (pixels - self.mean) / self.std


class Destandardize(Affine):
    """Standardised predictions (…, size) → y · std + mean, in the target's own unit."""

    def __init__(self, size: int) -> None:
        super().__init__(size)

    def forward(self, y: Tensor) -> Tensor:
        return y * self.std + self.mean

    def inverse(self, y: Tensor) -> Tensor:
        """From the target's unit to what a net is trained on."""
        return (y - self.mean) / self.std


class Softmax(nn.Module):
    """Logits (n, classes, …) → probabilities of the same shape, summing to one over classes."""

    def forward(self, logits: Tensor) -> Tensor:
        return torch.softmax(logits, dim=1)


class SigmoidPair(nn.Module):
    """One logit (n, 1) → (n, 2): the probabilities of the negative and the positive class.

    The negative one is sigmoid(-z), not 1 - sigmoid(z), which would round to zero for large z.
    """

    def forward(self, logit: Tensor) -> Tensor:
        return torch.cat([torch.sigmoid(-logit), torch.sigmoid(logit)], dim=1)


class Sigmoid(nn.Module):
    """Logits of any shape → probabilities of the same shape, each by itself: of a mask's pixels."""

    def forward(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(logits)


class UnitNorm(nn.Module):
    """Embeddings (n, size) → the same directions at length one, so that distances are between 0 and
    2; an embedding of zero has no direction and stays zero."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.nn.functional.normalize(x, dim=1)


PRE: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "standardize": Standardize,
    "normalize": Normalize,
}

POST: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "softmax": Softmax,
    "sigmoid_pair": SigmoidPair,
    "sigmoid": Sigmoid,
    "unit_norm": UnitNorm,
    "destandardize": Destandardize,
}
