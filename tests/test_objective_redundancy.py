"""Terms on correlations and covariances equal their formulas written out in loops."""

import math

import pytest
import torch

from tests.support.objectives import batch, learner
from tsclr.objectives import BarlowTwins, VICReg, barlow_twins, vicreg
from tsclr.objectives.base import represent

BOTH = pytest.mark.parametrize("function", [barlow_twins, vicreg])


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def pairs(z):
    return [(z[v], z[w]) for v in range(len(z)) for w in range(v)]


def slow_barlow_twins(z, weight):
    """Equations 1 and 2 of Zbontar et al. 2021 in loops, 1e-5 added to variances."""

    def centred(x, i):
        return x[:, i] - mean(x[:, i])

    def correlation(a, b, i, j):
        spread = (mean(centred(a, i) ** 2) + 1e-5) * (mean(centred(b, j) ** 2) + 1e-5)
        return mean(centred(a, i) * centred(b, j)) / spread**0.5

    D = range(z.shape[2])
    return {
        "invariance": mean(sum((1 - correlation(a, b, i, i)) ** 2 for i in D) for a, b in pairs(z)),
        "redundancy": weight
        * mean(
            sum(correlation(a, b, i, j) ** 2 for i in D for j in D if i != j) for a, b in pairs(z)
        ),
    }


def slow_vicreg(z, variance_weight, invariance_weight, covariance_weight):
    """Equations 1 to 6 of Bardes et al. 2022 in loops, the invariance as in algorithm 1."""
    _, B, D = z.shape

    def covariance(x, i, j):
        return sum((x[:, i] - mean(x[:, i])) * (x[:, j] - mean(x[:, j]))) / (B - 1)

    def hinge(x):
        return mean((1 - (covariance(x, i, i) + 1e-4) ** 0.5).clamp_min(0) for i in range(D))

    def off_diagonal(x):
        return sum(covariance(x, i, j) ** 2 for i in range(D) for j in range(D) if i != j) / D

    def distance(a, b):
        return mean((a[n, i] - b[n, i]) ** 2 for n in range(B) for i in range(D))

    return {
        "variance": variance_weight * mean(hinge(a) + hinge(b) for a, b in pairs(z)),
        "invariance": invariance_weight * mean(distance(a, b) for a, b in pairs(z)),
        "covariance": covariance_weight
        * mean(off_diagonal(a) + off_diagonal(b) for a, b in pairs(z)),
    }


def embeddings(n_views, seed=0):
    """Features of standard deviation about 0.3, 0.9, 1.5: on both sides of the hinge."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n_views, 5, 3, generator=generator, dtype=torch.float64)
    return (z * torch.tensor([0.3, 0.9, 1.5]) + 0.5).requires_grad_()


@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize(
    ("function", "slow", "weights"),
    [
        (barlow_twins, slow_barlow_twins, (5e-3,)),
        (barlow_twins, slow_barlow_twins, (0.7,)),
        (vicreg, slow_vicreg, (25.0, 25.0, 1.0)),
        (vicreg, slow_vicreg, (2.0, 3.0, 5.0)),
    ],
)
def test_terms_equal_the_formula_with_their_gradients(function, slow, weights, n_views):
    z = embeddings(n_views)
    terms, expected = function(z, *weights), slow(z, *weights)
    assert list(terms) == list(expected)
    for name, term in terms.items():
        torch.testing.assert_close(term, expected[name], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(
            torch.autograd.grad(term, z, retain_graph=True),
            torch.autograd.grad(expected[name], z, retain_graph=True),
            rtol=1e-9,
            atol=1e-11,
        )


def uncorrelated():
    """Eight windows of three orthogonal features of mean 0 and variance 1."""
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 3)
    return corners.expand(2, 8, 3)


def test_uncorrelated_features_that_agree_lose_nothing():
    terms = barlow_twins(uncorrelated())
    assert terms["invariance"] == pytest.approx(0, abs=1e-9)
    assert terms["redundancy"] == pytest.approx(0, abs=1e-12)
    assert all(term == pytest.approx(0, abs=1e-12) for term in vicreg(uncorrelated()).values())


def test_scale_and_shift_of_a_feature_do_not_matter_to_barlow_twins():
    z = 10 * embeddings(2)
    moved = z * torch.tensor([3.0, 20.0, 7.0]) + torch.tensor([5.0, -1.0, 2.0])
    for term, expected in zip(barlow_twins(moved).values(), barlow_twins(z).values(), strict=True):
        torch.testing.assert_close(term, expected, rtol=1e-4, atol=0)


def test_opposite_views_lose_most():
    z = uncorrelated()
    opposite = torch.stack([z[0], -z[1]])
    assert barlow_twins(opposite)["invariance"].item() == pytest.approx(3 * 4, rel=1e-4)
    assert vicreg(opposite)["invariance"].item() == pytest.approx(25 * 4)


def test_shift_of_all_views_does_not_matter_to_vicreg():
    z = embeddings(3)
    torch.testing.assert_close(vicreg(z + 7), vicreg(z))


@BOTH
def test_order_of_views_does_not_matter(function):
    z = embeddings(3)
    torch.testing.assert_close(function(z), function(z.flip(0)))


@BOTH
def test_mixed_precision_correlates_in_single_precision(function):
    z = embeddings(2).detach().bfloat16()
    expected = {name: term.float() for name, term in function(z.double()).items()}
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(function(z), expected)


@BOTH
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_features_that_do_not_vary_stay_finite(function, value):
    z = torch.full((2, 7, 3), value, requires_grad=True)
    loss = sum(function(z).values())
    loss.backward()
    assert loss.isfinite()
    assert z.grad.abs().max() < 1e4


def test_a_feature_that_does_not_vary_correlates_with_nothing():
    terms = barlow_twins(torch.ones(2, 7, 3), redundancy_weight=1.0)
    assert {name: term.item() for name, term in terms.items()} == {
        "invariance": 3.0,
        "redundancy": 0.0,
    }


@pytest.mark.parametrize("kind", [BarlowTwins, VICReg])
def test_an_objective_scores_what_its_projector_gives(kind):
    encoder, objective = learner(kind)
    given = batch(n_views=3)
    z = objective.projector(represent(encoder, given.views).flatten(0, 1)).unflatten(0, (3, -1))
    expected = barlow_twins(z) if kind is BarlowTwins else vicreg(z)
    torch.testing.assert_close(objective(encoder, given), expected)


def test_weights_of_the_settings_are_those_of_the_terms():
    encoder, _ = learner(VICReg)
    for kind, names in {
        BarlowTwins: {"redundancy_weight": "redundancy"},
        VICReg: {f"{name}_weight": name for name in ("variance", "invariance", "covariance")},
    }.items():
        for argument, term in names.items():
            objective = kind(**{argument: 0.0}).build(encoder, n_windows=10).double()
            terms = objective(encoder, batch())
            assert [name for name, value in terms.items() if value == 0] == [term]


@pytest.mark.parametrize("kind", [BarlowTwins, VICReg])
def test_the_projector_has_three_layers_of_the_asked_sizes(kind):
    encoder, _ = learner(kind)
    head = kind(hidden=12, width=5).build(encoder, n_windows=10).projector
    sizes = [tuple(layer.weight.shape) for layer in head if isinstance(layer, torch.nn.Linear)]
    assert sizes == [(12, encoder.num_features), (12, 12), (5, 12)]


@pytest.mark.parametrize("weight", [-1.0, math.inf, math.nan])
@pytest.mark.parametrize(
    ("kind", "function", "name"),
    [
        (BarlowTwins, barlow_twins, "redundancy_weight"),
        (VICReg, vicreg, "variance_weight"),
        (VICReg, vicreg, "invariance_weight"),
        (VICReg, vicreg, "covariance_weight"),
    ],
)
def test_impossible_weights_are_refused(kind, function, name, weight):
    with pytest.raises(ValueError, match=f"{name} is {weight}"):
        kind(**{name: weight})
    with pytest.raises(ValueError, match=f"{name} is {weight}"):
        function(embeddings(2), **{name: weight})


@BOTH
@pytest.mark.parametrize(("shape", "what"), [((1, 4, 3), "views"), ((2, 1, 3), "windows")])
def test_nothing_to_correlate_is_refused(function, shape, what):
    with pytest.raises(ValueError, match=f"the number of {what} is 1"):
        function(torch.ones(shape))


@pytest.mark.parametrize("kind", [BarlowTwins, VICReg])
@pytest.mark.parametrize("name", ["hidden", "width"])
def test_empty_layers_are_refused(kind, name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        kind(**{name: 0})
