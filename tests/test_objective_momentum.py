"""Contrast with a queue equals its formula in loops; the queue is first in, first out."""

import math
from collections import deque

import pytest
import torch

from tests.support.objectives import assert_same_with_gradient, batch, learner, loss_of
from tsclr.objectives import MoCo, momentum_contrast
from tsclr.objectives.base import represent
from tsclr.objectives.infonce import unit
from tsclr.objectives.momentum import Queue


def cosine(one, other):
    return sum(one * other) / (sum(one * one) * sum(other * other)) ** 0.5


def reference(query, keys, queue, temperature):
    """Equation 1 of He et al. 2020 in loops, averaged over the pairs of different views."""
    V, B, _ = query.shape
    losses = []
    for v in range(V):
        for w in set(range(V)) - {v}:
            for b in range(B):
                own = math.e ** (cosine(query[v, b], keys[w, b]) / temperature)
                others = [math.e ** (cosine(query[v, b], key) / temperature) for key in queue]
                losses.append(-(own / (own + sum(others))).log())
    return sum(losses) / len(losses)


def random(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_the_loss_equals_the_formula_with_its_gradient(n_views, temperature):
    given = random(n_views, 4, 3), random(n_views, 4, 3), random(7, 3)
    loss, slow = momentum_contrast(*given, temperature), reference(*given, temperature)
    assert_same_with_gradient(loss, slow, given)


def test_with_an_empty_queue_there_is_nothing_to_learn():
    query = random(2, 4, 3)
    loss = momentum_contrast(query, random(2, 4, 3), torch.zeros(0, 3))
    loss.backward()
    assert loss == 0
    assert query.grad.eq(0).all()


def test_windows_of_the_batch_are_no_negatives():
    query, keys, queue = random(2, 4, 3), random(2, 4, 3), random(5, 3)
    alone = [momentum_contrast(query[:, [b]], keys[:, [b]], queue) for b in range(4)]
    torch.testing.assert_close(sum(alone) / 4, momentum_contrast(query, keys, queue))


def test_mixed_precision_sums_in_single_precision():
    query, keys, queue = (random(*s).detach().bfloat16() for s in ((2, 4, 3), (2, 5, 3), (6, 3)))
    keys = keys[:, :4]
    with torch.autocast("cpu", torch.bfloat16):
        loss = momentum_contrast(query, keys, queue)
    torch.testing.assert_close(loss, momentum_contrast(query.float(), keys.float(), queue.float()))


@pytest.mark.parametrize("size", [1, 4, 5, 40])
def test_the_queue_is_first_in_first_out(size):
    queue, expected = Queue(size, width=1), deque(maxlen=size)
    assert queue.held().shape == (0, 1)
    for low, n_rows in [(0, 3), (3, 3), (6, 0), (6, 12), (18, 1)]:
        rows = torch.arange(low, low + n_rows, dtype=torch.float32)
        queue.push(rows[:, None])
        expected.extend(rows.tolist())
        assert queue.held().flatten().tolist() == list(expected)


def keys_of(objective, given):
    """What the copies make of a batch, window by window."""
    h = represent(objective.key_encoder, given.views)
    z = objective.key_projector(h.flatten(0, 1)).unflatten(0, h.shape[:2])
    return unit(z).transpose(0, 1).flatten(0, 1)


def test_the_queue_never_holds_the_current_keys():
    """Two batches go into each step, as when gradients accumulate."""
    encoder, objective = learner(MoCo)
    earlier = torch.zeros(0, objective.width, dtype=torch.float64)
    for step in range(3):
        keys = []
        for part in range(2):
            given = batch(seed=2 * step + part)
            keys.append(keys_of(objective, given))
            loss_of(encoder, objective, given)
            torch.testing.assert_close(objective.memory.held(), earlier)
        objective.after_step(encoder)
        earlier = torch.cat([earlier, *keys])
    torch.testing.assert_close(objective.memory.held(), earlier)


def test_in_evaluation_no_key_waits():
    encoder, objective = learner(MoCo)
    objective.eval()
    loss_of(encoder, objective, batch())
    objective.after_step(encoder)
    assert len(objective.memory.held()) == 0


def test_building_again_empties_the_queue():
    encoder, objective = learner(MoCo)
    loss_of(encoder, objective, batch())
    objective.after_step(encoder)
    loss_of(encoder, objective, batch())
    objective.build(encoder, 64)
    objective.after_step(encoder)
    assert len(objective.memory.held()) == 0


def test_the_objective_scores_queries_against_keys_and_queue():
    encoder, objective = learner(MoCo)
    loss_of(encoder, objective, batch(seed=1))
    objective.after_step(encoder)
    given = batch()
    h = represent(encoder, given.views)
    query = objective.projector(h.flatten(0, 1)).unflatten(0, (2, -1))
    keys = keys_of(objective, given).unflatten(0, (-1, 2)).transpose(0, 1)
    expected = momentum_contrast(query, keys, objective.memory.held(), objective.temperature)
    torch.testing.assert_close(objective(encoder, given)["momentum_contrast"], expected)


def test_copies_follow_and_get_no_gradient():
    encoder, objective = learner(MoCo)
    trained = [*encoder.parameters(), *objective.projector.parameters()]
    copies = [*objective.key_encoder.parameters(), *objective.key_projector.parameters()]
    with torch.no_grad():
        for weight in trained:
            weight.add_(1)
    before = [copy.clone() for copy in copies]
    loss_of(encoder, objective, batch()).backward()
    objective.after_step(encoder)
    for copy, old, weight in zip(copies, before, trained, strict=True):
        assert copy.grad is None
        torch.testing.assert_close(copy, 0.99 * old + 0.01 * weight)


@pytest.mark.parametrize("temperature", [0.0, math.inf, math.nan])
def test_impossible_temperature_is_refused(temperature):
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        MoCo(temperature=temperature)
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        momentum_contrast(random(2, 4, 3), random(2, 4, 3), random(5, 3), temperature)


@pytest.mark.parametrize(
    ("name", "value"),
    [("momentum", -0.1), ("momentum", 1.5), ("queue", 0), ("hidden", 0), ("width", 0)],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        MoCo(**{name: value})


def test_a_single_view_has_no_positive():
    with pytest.raises(ValueError, match="the number of views is 1"):
        momentum_contrast(random(1, 4, 3), random(1, 4, 3), random(5, 3))
