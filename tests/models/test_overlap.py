from __future__ import annotations

import pytest
import torch

from models.overlap import dice, iou

MASK = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]]]])


@pytest.mark.parametrize(
    ("said", "expected_dice", "expected_iou"),
    [
        ([1, 1, 0, 0], 1.0, 1.0),
        ([0, 0, 1, 1], 0.0, 0.0),
        ([0, 1, 1, 0], 0.5, 1 / 3),
        ([1, 1, 1, 1], 2 / 3, 1 / 2),
        ([0, 0, 0, 0], 0.0, 0.0),
    ],
)
def test_they_are_their_definitions(
    said: list[int], expected_dice: float, expected_iou: float
) -> None:
    logits = torch.tensor(said, dtype=torch.float32).reshape(1, 1, 1, 4) - 0.5
    assert dice(logits, MASK).item() == pytest.approx(expected_dice)
    assert iou(logits, MASK).item() == pytest.approx(expected_iou)


def test_nothing_where_nothing_is_is_right() -> None:
    nothing = torch.full((1, 1, 1, 4), -1.0)
    assert dice(nothing, torch.zeros(1, 1, 1, 4)).item() == 1
    assert iou(nothing, torch.zeros(1, 1, 1, 4)).item() == 1


def test_rows_are_judged_one_by_one_and_summed() -> None:
    """A large mask that is right does not hide a small one that is missed."""
    large = torch.ones(1, 1, 10, 10)
    small = torch.zeros(1, 1, 10, 10)
    small[0, 0, 0, 0] = 1
    logits = torch.cat([large, -torch.ones_like(small)])
    masks = torch.cat([large, small])
    assert dice(logits, masks).item() == iou(logits, masks).item() == 1.0
