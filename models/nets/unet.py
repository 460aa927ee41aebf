"""A small U-Net (Ronneberger et al., "U-Net", 2015): an answer for every pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class UNet(nn.Module):
    """(n, channels, h, w) → (n, outputs, h, w) logits, for sides divisible by 2^`levels`.

    Each level down halves the picture and doubles the filters, beginning with `width`; each level
    up joins what it enlarges with what was there on the way down, which knows the outlines.
    Convolutions are padded, unlike the paper's, so that the mask is as large as the picture.
    """

    def __init__(self, channels: int, outputs: int = 1, width: int = 8, levels: int = 2) -> None:
        super().__init__()
        sizes = [width << level for level in range(levels)]
        self.downs = nn.ModuleList(
            _convolutions(before, size)
            for before, size in zip([channels, *sizes], sizes, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.bottom = _convolutions(sizes[-1], 2 * sizes[-1])
        self.ups = nn.ModuleList(Up(size) for size in reversed(sizes))
        self.head = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for down in self.downs:
            x = down(x)
            kept.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for up in self.ups:
            x = up(x, kept.pop())
        return self.head(x)


class Up(nn.Module):
    """(n, 2·size, h, w) and what was kept, (n, size, 2h, 2w) → (n, size, 2h, 2w)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(2 * size, size, 2, stride=2)
        self.merge = _convolutions(2 * size, size)

    def forward(self, x: Tensor, kept: Tensor) -> Tensor:
        return self.merge(torch.cat([kept, self.enlarge(x)], dim=1))


def _convolutions(before: int, after: int) -> nn.Sequential:
    """Two of 3x3. They have no bias: the normalisation behind each would take it out again."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
