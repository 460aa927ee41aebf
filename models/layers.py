"""The tutorial's section 10.2: layers written out. Nets use them, tests hold them to torch's own.

Each can be traced, scripted and exported, with any number of rows and steps. None works in place:
a full backward hook refuses outputs that were changed after it saw them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class CustomLinear(nn.Module):
    """`x @ weight.T + bias`, (…, in_features) → (…, out_features); starts as `nn.Linear` does."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(in_features) if in_features else 0.0
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        product = torch.matmul(x, self.weight.t())
        return product if self.bias is None else product + self.bias


class CustomReLU(nn.Module):
    """`x` where positive, else `alpha * x`: a leaky ReLU, and at `alpha` 0 the plain one."""

    def __init__(self, alpha: float = 0.1) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.alpha * x)


class BatchNorm2d(nn.BatchNorm2d):
    """torch's, except that one pixel of one row, which has no spread, is normalised by the running
    statistics: small images shrink to it, and a division into batches may leave one row over."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)

    def forward(self, input: Tensor) -> Tensor:
        return functional.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training and input.numel() > input.shape[1],
            0.1,  # torch's momentum; TorchScript reads no constant of a module
            self.eps,
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions whose result is added to the input (He et al., "Deep Residual Learning
    for Image Recognition", 2016).

    (n, in_channels, h, w) → (n, out_channels, h / stride, w / stride), rounded up.
    Where sizes differ a 1x1 convolution fits the input to the sum. No convolution has a bias: the
    normalisation behind it would take it out again.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = BatchNorm2d(out_channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = BatchNorm2d(out_channels)
        self.relu2 = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu1(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu2(out + self.shortcut(x))


class SelfAttention(nn.Module):
    """Each step takes from all steps of its row what it asks for: softmax(Q Kᵀ / √d) V, then a
    projection (Vaswani et al., "Attention Is All You Need", 2017, with one head).

    (n, steps, embed_size) → the same. Steps from a row's `lengths` (n,) on are padding: no step
    takes anything from them, and what comes out at them means nothing.
    """

    def __init__(self, embed_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(embed_size, embed_size)
        self.key = nn.Linear(embed_size, embed_size)
        self.value = nn.Linear(embed_size, embed_size)
        self.fc_out = nn.Linear(embed_size, embed_size)
        self.scale = 1 / math.sqrt(embed_size)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.fc_out(torch.matmul(self.weights(x, lengths), self.value(x)))

    def weights(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(n, steps, steps): how much each step (second dimension) takes from each (third)."""
        scores = torch.matmul(self.query(x), self.key(x).transpose(-2, -1)) * self.scale
        if lengths is not None:
            padding = ~valid_steps(lengths, x.shape[1])
            scores = scores.masked_fill(padding.unsqueeze(1), -math.inf)
        return torch.softmax(scores, dim=-1)


def valid_steps(lengths: Tensor, steps: int) -> Tensor:
    """bool (n, steps): which steps are a row's own and not padding.

    Lengths are clamped to 1 … `steps`: a row has a first step, and no more than there are. A
    softmax over nothing would be NaN.
    """
    counted = lengths.clamp(min=1).unsqueeze(1)
    return torch.arange(steps, device=lengths.device).unsqueeze(0) < counted
