"""Against torch's own, and the tutorial's net with it (section 8)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.nets import build_net
from models.nets.batch_norm import BatchNorm


def pair() -> tuple[BatchNorm, nn.BatchNorm1d]:
    return BatchNorm(4), nn.BatchNorm1d(4)


def test_it_is_torchs_in_training_and_after() -> None:
    ours, theirs = pair()
    for seed in range(3):
        rows = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed)) * 3 + 1
        assert torch.equal(ours(rows), theirs(rows))
    assert torch.equal(ours.running_mean, theirs.running_mean)  # type: ignore[arg-type]
    assert torch.equal(ours.running_var, theirs.running_var)  # type: ignore[arg-type]
    assert torch.equal(ours.eval()(rows), theirs.eval()(rows))


def test_a_training_batch_of_one_row_is_normalised_by_what_was_seen_before() -> None:
    ours, _ = pair()
    ours(torch.randn(50, 4) * 2 + 3)
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    row = torch.randn(1, 4, requires_grad=True)
    answer = ours(row)
    assert torch.equal(answer, ours.eval()(row))
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items())
    answer.sum().backward()
    assert row.grad is not None
    assert (row.grad != 0).all()


class HousingRegressor(nn.Module):
    """As the tutorial writes it, without the last squeeze."""

    def __init__(self, input_dim: int) -> None:
        super().__init__()
        self.layer1 = nn.Linear(input_dim, 64)
        self.layer2 = nn.Linear(64, 32)
        self.layer3 = nn.Linear(32, 1)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.2)
        self.bn1 = nn.BatchNorm1d(64)
        self.bn2 = nn.BatchNorm1d(32)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.relu(self.bn1(self.layer1(x))))
        x = self.dropout(self.relu(self.bn2(self.layer2(x))))
        return self.layer3(x)


def test_the_tutorials_housing_regressor() -> None:
    torch.manual_seed(0)
    theirs = HousingRegressor(8)
    torch.manual_seed(0)
    options = {"hidden": [64, 32], "dropout": 0.2, "batch_norm": True}
    ours = build_net({"name": "mlp", "inputs": 8, "outputs": 1, **options})
    rows = torch.randn(16, 8)
    answers: list[Tensor] = []
    for net in (ours, theirs):
        torch.manual_seed(1)
        answers += [net(rows), net.eval()(rows)]
    assert torch.equal(answers[0], answers[2])
    assert torch.equal(answers[1], answers[3])
