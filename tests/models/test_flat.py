from __future__ import annotations

import pytest
import torch
from torch import nn

from models.errors import InvalidData
from models.flat import ALIGNMENT, FlatParameters


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 2, bias=False))


def test_values_and_state_dict_stay_as_they_were() -> None:
    before = {name: value.clone() for name, value in net().state_dict().items()}
    module = net()
    FlatParameters(module)
    assert list(module.state_dict()) == list(before)
    assert all(torch.equal(module.state_dict()[name], value) for name, value in before.items())


def test_parameters_and_gradients_are_views_that_start_aligned() -> None:
    module = net()
    flat = FlatParameters(module)
    for parameter in module.parameters():
        offset = parameter.storage_offset()
        assert offset % ALIGNMENT == 0
        assert parameter.grad is not None
        assert parameter.grad.storage_offset() == offset
    module(torch.randn(4, 3)).sum().backward()
    assert flat.grad.abs().sum() > 0
    with torch.no_grad():
        flat.parameter.zero_()
    assert all(not parameter.any() for parameter in module.parameters())


def test_loading_a_state_dict_goes_into_the_flat_parameter() -> None:
    module, other = net(), net()
    flat = FlatParameters(module)
    with torch.no_grad():
        other[0].weight.fill_(7.0)
    module.load_state_dict(other.state_dict())
    assert (flat.parameter == 7.0).sum() == 15


def test_release_gives_each_parameter_its_own_memory() -> None:
    module = net()
    flat = FlatParameters(module)
    flat.release()
    with torch.no_grad():
        flat.parameter.fill_(9.0)
    assert all(not (parameter == 9.0).any() for parameter in module.parameters())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_frozen_parameters_are_left_alone() -> None:
    module = net()
    module[0].requires_grad_(False)
    flat = FlatParameters(module)
    assert flat.parameter.numel() == 3 * ALIGNMENT
    assert module[0].weight.grad is None


def test_a_model_without_one_type_of_parameters_is_refused() -> None:
    with pytest.raises(InvalidData, match="none"):
        FlatParameters(nn.ReLU())
    mixed = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1).double()])
    with pytest.raises(InvalidData, match=r"float32.*float64"):
        FlatParameters(mixed)
