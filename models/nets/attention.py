"""Sequences of any length, told apart by the tutorial's self-attention (section 10.2)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from models.layers import SelfAttention, valid_steps

LONGEST = 1000.0
"""The longest wave of the places is 2π times as many steps; the shortest 2π steps."""


class AttentionBlock(nn.Module):
    """Attention over the steps, then a small net on each, both added to what came in.

    Normalised before and not behind them (Xiong et al., "On Layer Normalization in the Transformer
    Architecture", 2020), which trains without a warm-up.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = SelfAttention(width)
        self.norm2 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, 2 * width)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.linear2 = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x), lengths)
        return x + self.linear2(self.dropout(self.relu(self.linear1(self.norm2(x)))))

    def weights(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(n, steps, steps), of the attention."""
        return self.attention.weights(self.norm1(x), lengths)


class Attention(nn.Module):
    """(n, steps, inputs) and lengths (n,) → (n, outputs).

    Steps are projected to `width` numbers and told where they are by sines and cosines ("Attention
    Is All You Need", section 3.5), which no length puts an end to; then blocks of attention, and
    the mean over each row's own steps. Padding has no part in an answer, whatever is in it, and a
    length outside of 1 … steps counts as the nearest in it.
    """

    def __init__(
        self, inputs: int, outputs: int, width: int = 32, layers: int = 2, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if width % 2:
            raise ValueError(f"'width' is even, for pairs of a sine and a cosine, got {width}")
        self.project = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList([AttentionBlock(width, dropout) for _ in range(layers)])
        self.head = nn.Linear(width, outputs)
        exponents = torch.arange(0, width, 2) / width
        self.frequencies: Tensor
        self.register_buffer("frequencies", torch.pow(LONGEST, -exponents), persistent=False)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        own = valid_steps(lengths, x.shape[1]).unsqueeze(2)
        x = self.embed(x, own)
        for block in self.blocks:
            x = block(x, lengths)
        total = x.masked_fill(~own, 0.0).sum(dim=1)
        return self.head(total / own.sum(dim=1))

    def embed(self, x: Tensor, own: Tensor) -> Tensor:
        """(n, steps, inputs) → (n, steps, width), with zeros taken for what is padding."""
        angles = torch.arange(x.shape[1], device=x.device).unsqueeze(1) * self.frequencies
        places = torch.cat([angles.sin(), angles.cos()], dim=1)
        return self.project(x.masked_fill(~own, 0.0)) + places

    def weights(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(n, layers, steps, steps): in each block, how much a step takes from each other one."""
        x = self.embed(x, valid_steps(lengths, x.shape[1]).unsqueeze(2))
        maps: list[Tensor] = []
        for block in self.blocks:
            maps.append(cast(AttentionBlock, block).weights(x, lengths))
            x = block(x, lengths)
        return torch.stack(maps, dim=1)
