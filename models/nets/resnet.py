"""ResNet-18 as torchvision has it: the tutorial's section 10.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.lazy import lazy

if TYPE_CHECKING:
    from torchvision import models as torchvision_models
else:
    torchvision_models = lazy("torchvision.models")  # half a second, for one net of many


class ResNet18(nn.Module):
    """(n, channels, h, w) → (n, outputs), for one or three channels and pictures of any size.

    Pictures are resized to `side` by `side` inside of the graph, because the net divides them by 32
    and would see one point of a 28x28 digit; grey ones become three equal channels.
    """

    def __init__(self, channels: int, outputs: int, side: int = 64) -> None:
        super().__init__()
        if channels not in (1, 3):
            raise ValueError(f"'channels' of resnet18 is 1 or 3, got {channels}")
        self.grey = channels == 1
        self.side = side
        self.resnet = torchvision_models.resnet18(weights=None, num_classes=outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.grey:
            x = x.expand(-1, 3, -1, -1)
        size = [self.side, self.side]
        return self.resnet(interpolate(x, size, mode="bilinear", align_corners=False))
