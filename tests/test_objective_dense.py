"""Contrast of steps with their like equals its formulas written out in loops."""

import math

import pytest
import torch

from tests.support.objectives import assert_same_with_gradient, batch, learner
from tsclr.objectives import Dense, correspondence, dense_nce, nt_xent
from tsclr.objectives.base import represent_both


def unit(x):
    return x / sum(value * value for value in x) ** 0.5


def dense_reference(steps, maps, temperature):
    """Equations 2 and 4 of Wang et al. 2021 in loops, over all ordered pairs of views."""
    V, B, S, _ = steps.shape
    means = {(v, b): unit(sum(steps[v, b]) / S) for v in range(V) for b in range(B)}
    losses = []
    for v, b in means:
        for w in set(range(V)) - {v}:
            for s in range(S):
                one = unit(maps[v, b, :, s])
                alike = [float(sum(one * unit(maps[w, b, :, r]))) for r in range(S)]
                q, p = unit(steps[v, b, s]), unit(steps[w, b, alike.index(max(alike))])
                positive = (sum(q * p) / temperature).exp()
                others = [k for (_, m), k in means.items() if m != b]
                negative = sum((sum(q * k) / temperature).exp() for k in others)
                losses.append(-(positive / (positive + negative)).log())
    return sum(losses) / len(losses)


def embeddings(n_views=2, n_windows=3, n_steps=4, width=5):
    generator = torch.Generator().manual_seed(n_views)
    shape = (n_views, n_windows, n_steps, width)
    steps = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    maps = torch.randn(*shape[:2], 6, n_steps, generator=generator, dtype=torch.float64)
    return steps, maps


@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_dense_nce_equals_the_formula_with_its_gradient(n_views, temperature):
    steps, maps = embeddings(n_views)
    loss, slow = dense_nce(steps, maps, temperature), dense_reference(steps, maps, temperature)
    assert_same_with_gradient(loss, slow, steps)


def test_correspondence_finds_steps_that_were_moved_whatever_their_length():
    _, maps = embeddings()
    order = torch.tensor([2, 0, 3, 1])
    found = correspondence(maps[0] * 7, maps[0][:, :, order])
    assert torch.equal(order[found], torch.arange(4).expand(3, 4))


def test_no_gradient_flows_through_the_search():
    steps, maps = embeddings()
    maps.requires_grad_()
    assert torch.autograd.grad(dense_nce(steps, maps), maps, allow_unused=True) == (None,)


def test_a_shift_in_time_between_the_views_does_not_matter():
    steps, maps = (x.detach()[:1].expand(2, *x.shape[1:]) for x in embeddings())
    moved = torch.stack([steps[0], steps[1].roll(1, dims=1)])
    moved_maps = torch.stack([maps[0], maps[1].roll(1, dims=2)])
    torch.testing.assert_close(dense_nce(moved, moved_maps), dense_nce(steps, maps))


def test_no_window_repels_its_own_steps():
    """All steps of a window alike, windows orthogonal: only other windows are in the way."""
    steps = torch.eye(3, dtype=torch.float64)[None, :, None].expand(2, 3, 4, 3)
    loss = dense_nce(steps, steps.mT, temperature=1.0)
    assert loss.item() == pytest.approx(math.log(1 + 4 / math.e), rel=1e-12)


def test_length_of_an_embedding_does_not_matter():
    steps, maps = embeddings()
    longer = torch.tensor([1e-2, 1e2]).view(2, 1, 1, 1) * steps
    torch.testing.assert_close(dense_nce(longer, maps), dense_nce(steps, maps))


def test_mixed_precision_compares_in_single_precision():
    steps, maps = (x.detach().float() for x in embeddings())
    with torch.autocast("cpu", torch.bfloat16):
        found = dense_nce(steps, maps)
    torch.testing.assert_close(found, dense_nce(steps.double(), maps.double()).float())


def test_dense_weighs_windows_and_steps():
    encoder, objective = learner(Dense)
    given = batch(n_views=3)
    h, maps = represent_both(encoder, given.views)
    z = objective.project_windows(h.flatten(0, 1)).view(3, 8, -1)
    steps = objective.project_steps(maps.mT.flatten(0, 2)).view(3, 8, maps.shape[-1], -1)
    for weight in (0.0, 0.3, 1.0):
        objective.dense_weight = weight
        terms = objective(encoder, given)
        torch.testing.assert_close(terms["global"], (1 - weight) * nt_xent(z, 0.2))
        torch.testing.assert_close(terms["dense"], weight * dense_nce(steps, maps, 0.2))


@pytest.mark.parametrize("temperature", [0.0, -0.2, math.inf, math.nan])
def test_impossible_temperature_is_refused(temperature):
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        Dense(temperature=temperature)
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        dense_nce(*embeddings(), temperature)


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan])
def test_a_weight_that_is_no_fraction_is_refused(weight):
    with pytest.raises(ValueError, match=f"dense_weight is {weight}"):
        Dense(dense_weight=weight)


@pytest.mark.parametrize("name", ["hidden", "width"])
def test_empty_layers_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        Dense(**{name: 0})


@pytest.mark.parametrize("size", [{"n_views": 1}, {"n_windows": 1}])
def test_nothing_to_contrast_is_refused(size):
    (what,) = size
    with pytest.raises(ValueError, match=f"the number of {what[2:]} is 1"):
        dense_nce(*embeddings(**size))
