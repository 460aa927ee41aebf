"""A small residual net out of the tutorial's block (section 10.2)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from models.layers import BatchNorm2d, ResidualBlock


class Residual(nn.Module):
    """(n, channels, h, w) → (n, outputs), for images of any size.

    A stem of as many channels as the first of `filters`, a `ResidualBlock` for each of them, which
    halves the image, the mean over what is left of it, and a linear layer.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        filters: Sequence[int] = (16, 32, 64),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        width = filters[0]
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), BatchNorm2d(width), nn.ReLU()
        )
        blocks: list[nn.Module] = []
        for size in filters:
            blocks.append(ResidualBlock(width, size, stride=2))
            width = size
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        # The mean, not AdaptiveAvgPool2d, whose gradient differs from run to run on a GPU.
        pooled = self.blocks(self.stem(x)).mean(dim=(2, 3))
        return self.fc(self.dropout(pooled))
