"""Prediction of a target equals its formulas written out in loops, and targets stay targets."""

import math

import pytest
import torch

from tests.support.objectives import batch, learner, train
from tsclr.objectives import BYOL, SimSiam, byol, simsiam
from tsclr.objectives.base import represent

BOTH = pytest.mark.parametrize("function", [byol, simsiam])


def unit(x):
    return x / sum(value * value for value in x) ** 0.5


def slow_byol(predictions, targets):
    """Equation 2 of Grill et al. 2020 both ways round, averaged over pairs of views."""
    V, B, _ = predictions.shape
    losses = []
    for v in range(V):
        for w in range(v):
            for b in range(B):
                there = unit(predictions[v, b]) - unit(targets[w, b])
                back = unit(predictions[w, b]) - unit(targets[v, b])
                losses.append(sum(there**2) + sum(back**2))
    return sum(losses) / len(losses)


def slow_simsiam(predictions, z):
    """Equation 4 of Chen and He 2021, averaged over pairs of views."""
    V, B, _ = predictions.shape
    losses = []
    for v in range(V):
        for w in range(v):
            for b in range(B):
                there = -sum(unit(predictions[v, b]) * unit(z[w, b]))
                back = -sum(unit(predictions[w, b]) * unit(z[v, b]))
                losses.append(there / 2 + back / 2)
    return sum(losses) / len(losses)


def embeddings(n_views, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_views, 4, 3, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize(("function", "slow"), [(byol, slow_byol), (simsiam, slow_simsiam)])
def test_it_equals_the_formula_with_its_gradient(function, slow, n_views):
    predictions, targets = embeddings(n_views), embeddings(n_views, seed=1)
    loss, expected = function(predictions, targets), slow(predictions, targets.detach())
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    loss.backward()
    gradient = torch.autograd.grad(expected, predictions)[0]
    torch.testing.assert_close(predictions.grad, gradient, rtol=1e-9, atol=1e-12)
    assert targets.grad is None


@BOTH
def test_a_view_does_not_predict_itself(function):
    """Both views predict the other one at its best, and are far from it themselves."""
    z = torch.tensor([[[1.0, 0.0]], [[-1.0, 0.0]]])
    assert function(z.flip(0), z) < function(z, z)
    assert function(z.flip(0), z) == {byol: 0, simsiam: -1}[function]


@BOTH
def test_length_of_an_embedding_does_not_matter(function):
    predictions, targets = embeddings(2), embeddings(2, seed=1)
    torch.testing.assert_close(
        function(1e3 * predictions, 1e-3 * targets), function(predictions, targets)
    )


@BOTH
def test_mixed_precision_compares_in_single_precision(function):
    predictions, targets = embeddings(2).detach().bfloat16(), embeddings(2, seed=1).bfloat16()
    expected = function(predictions.double(), targets.double()).float()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(function(predictions, targets), expected)


@BOTH
def test_an_embedding_of_zero_stays_finite(function):
    predictions = torch.zeros(2, 4, 3, requires_grad=True)
    function(predictions, torch.zeros(2, 4, 3)).backward()
    assert predictions.grad.isfinite().all()


@BOTH
def test_a_single_view_is_refused(function):
    with pytest.raises(ValueError, match="the number of views is 1"):
        function(torch.ones(1, 4, 3), torch.ones(1, 4, 3))


def test_byol_predicts_what_the_averaged_network_sees():
    encoder, objective = learner(BYOL)
    train(encoder, objective, steps=2)
    given = batch(n_views=3)
    h = represent(encoder, given.views).flatten(0, 1)
    predictions = objective.predictor(objective.projector(h)).unflatten(0, (3, -1))
    seen = represent(objective.averaged_encoder, given.views).flatten(0, 1)
    targets = objective.averaged_projector(seen).unflatten(0, (3, -1))
    assert not torch.allclose(seen, h)
    terms = objective(encoder, given)
    assert list(terms) == ["byol"]
    torch.testing.assert_close(terms["byol"], byol(predictions, targets))


def averaged_and_trained(encoder, objective):
    return [
        *zip(objective.averaged_encoder.parameters(), encoder.parameters(), strict=True),
        *zip(
            objective.averaged_projector.parameters(), objective.projector.parameters(), strict=True
        ),
    ]


def test_the_averaged_network_starts_equal_and_moves_by_the_momentum_after_a_step():
    encoder, objective = learner(BYOL)
    pairs = averaged_and_trained(encoder, objective)
    for averaged, trained in pairs:
        assert torch.equal(averaged, trained)
        assert averaged is not trained
    before = [averaged.clone() for averaged, _ in pairs]
    with torch.no_grad():
        for _, trained in pairs:
            trained.add_(1)
    objective.momentum = 0.75
    objective.after_step(encoder)
    for (averaged, _), old in zip(pairs, before, strict=True):
        torch.testing.assert_close(averaged, old + 0.25)


def test_forward_passes_without_a_step_move_no_average():
    """As when gradients are accumulated over several batches."""
    encoder, objective = learner(BYOL)
    train(encoder, objective, steps=1)
    pairs = averaged_and_trained(encoder, objective)
    before = [averaged.clone() for averaged, _ in pairs]
    objective(encoder, batch(seed=1)), objective(encoder, batch(seed=2))
    assert all(torch.equal(averaged, old) for (averaged, _), old in zip(pairs, before, strict=True))


def test_batch_norm_of_the_averaged_network_takes_the_batch_and_keeps_its_own_moments():
    encoder, objective = learner(BYOL)
    norm = objective.averaged_projector[1]
    assert norm.training
    before = norm.running_mean.clone()
    objective(encoder, batch())
    moved = norm.running_mean.clone()
    assert not torch.equal(moved, before)
    objective.projector[1].running_mean.zero_()
    objective.after_step(encoder)
    assert torch.equal(norm.running_mean, moved)


def test_no_gradient_passes_through_the_averaged_network():
    encoder, objective = learner(BYOL)
    sum(objective(encoder, batch()).values()).backward()
    for averaged, trained in averaged_and_trained(encoder, objective):
        assert averaged.grad is None
        assert trained.grad is not None


def test_simsiam_predicts_its_own_embeddings():
    encoder, objective = learner(SimSiam)
    given = batch(n_views=3)
    z = objective.projector(represent(encoder, given.views).flatten(0, 1))
    terms = objective(encoder, given)
    assert list(terms) == ["simsiam"]
    expected = simsiam(
        objective.predictor(z).unflatten(0, (3, -1)), z.detach().unflatten(0, (3, -1))
    )
    torch.testing.assert_close(terms["simsiam"], expected)


def test_simsiam_normalises_embeddings_over_the_batch():
    encoder, objective = learner(SimSiam)
    z = objective.projector(represent(encoder, batch().views).flatten(0, 1))
    torch.testing.assert_close(z.mean(0), torch.zeros_like(z[0]))
    torch.testing.assert_close(z.std(0, correction=0), torch.ones_like(z[0]), rtol=0.01, atol=0)


def test_heads_have_the_asked_sizes():
    encoder, _ = learner(SimSiam)
    D = encoder.num_features
    objective = SimSiam(hidden=12, width=8, bottleneck=2).build(encoder, n_windows=10)
    assert shapes(objective.projector) == [(12, D), (12, 12), (8, 12)]
    assert shapes(objective.predictor) == [(2, 8), (8, 2)]
    objective = BYOL(hidden=12, width=8).build(encoder, n_windows=10)
    assert shapes(objective.projector) == [(12, D), (8, 12)]
    assert shapes(objective.predictor) == [(12, 8), (8, 12)]


def shapes(head):
    return [tuple(layer.weight.shape) for layer in head if isinstance(layer, torch.nn.Linear)]


@pytest.mark.parametrize("momentum", [-0.1, 1.1, math.nan])
def test_impossible_momentum_is_refused(momentum):
    with pytest.raises(ValueError, match=f"momentum is {momentum}"):
        BYOL(momentum=momentum)


@pytest.mark.parametrize("kind", [BYOL, SimSiam])
@pytest.mark.parametrize("name", ["hidden", "width"])
def test_empty_layers_are_refused(kind, name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        kind(**{name: 0})


def test_an_empty_bottleneck_is_refused():
    with pytest.raises(ValueError, match="bottleneck is 0"):
        SimSiam(bottleneck=0)
