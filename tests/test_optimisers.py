"""Optimisers equal their update rules written out; rates follow their schedule."""

import math

import pytest
import torch
from torch import nn

from tsclr.train.optimisers import LARS, MOMENTUM, learning_rate, optimizer_for
from tsclr.train.settings import Training
from tsclr.train.state import _flat, _unflatten


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    training = Training(learning_rate=2.0, warmup=0.1)
    rates = [learning_rate(step, 100, training) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    expected = [1 + math.cos(math.pi * step / 90) for step in range(90)]
    assert rates[10:] == pytest.approx(expected)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()


def gradients(module: nn.Module, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for weight in module.parameters():
        weight.grad = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)


def test_lars_equals_its_algorithm_in_loops() -> None:
    module = network()
    weights = [weight.detach().clone() for weight in module.parameters()]
    velocity = [torch.zeros_like(weight) for weight in weights]
    optimizer = optimizer_for([module], Training(optimizer="lars", weight_decay=0.1))
    for step, rate in enumerate((0.5, 0.3, 0.2)):
        gradients(module, step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        for place, weight in enumerate(module.parameters()):
            own, gradient, ratio = weights[place], weight.grad, 1.0
            if own.ndim > 1:
                gradient = gradient + 0.1 * own
                ratio = 1e-3 * math.sqrt((own**2).sum()) / math.sqrt((gradient**2).sum())
            velocity[place] = MOMENTUM * velocity[place] + rate * ratio * gradient
            weights[place] = own - velocity[place]
            torch.testing.assert_close(weight.detach(), weights[place], rtol=1e-12, atol=1e-14)


def test_lars_moves_weights_of_norm_zero() -> None:
    weight = nn.Parameter(torch.zeros(2, 2))
    optimizer = LARS([weight], lr=1.0)
    weight.grad = torch.ones(2, 2)
    assert optimizer.step(lambda: 3.0) == 3.0
    assert torch.equal(weight.detach(), -torch.ones(2, 2))


def test_without_gradient_lars_leaves_a_weight() -> None:
    weight = nn.Parameter(torch.ones(2, 2))
    LARS([weight], lr=1.0).step()
    assert torch.equal(weight.detach(), torch.ones(2, 2))


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_an_optimiser_with_the_saved_state_of_another_goes_on_as_that_one(name: str) -> None:
    """One weight never gets a gradient, so that the optimiser keeps nothing for it."""
    one, other = network(), network()
    first, second = (optimizer_for([module], Training(optimizer=name)) for module in (one, other))
    gradients(one, step=0)
    one[0].bias.grad = None
    first.step()
    other.load_state_dict(one.state_dict())
    _unflatten(second, {name: value.clone() for name, value in _flat(first).items()})
    for module, optimizer in ((one, first), (other, second)):
        gradients(module, step=1)
        module[0].bias.grad = None
        optimizer.step()
    torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_biases_and_norms_are_spared_weight_decay(name: str) -> None:
    module = network()
    training = Training(optimizer=name, weight_decay=0.5)
    before = {key: weight.detach().clone() for key, weight in module.named_parameters()}
    optimizer = optimizer_for([module], training)
    for weight in module.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    for key, weight in module.named_parameters():
        assert torch.equal(weight, before[key]) == (weight.ndim < 2)


def test_all_weights_decay_where_asked() -> None:
    module = network()
    groups = optimizer_for([module], Training(exclude_bias_and_norm=False)).param_groups
    assert len(groups) == 1
    assert len(groups[0]["params"]) == len(list(module.parameters()))


def test_frozen_weights_are_left_to_themselves() -> None:
    module = network()
    module[0].requires_grad_(False)
    groups = optimizer_for([module], Training()).param_groups
    assert sum(len(group["params"]) for group in groups) == 4
