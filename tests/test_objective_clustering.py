"""Swapped assignments equal their formulas written out in loops, and are shared out evenly."""

import math

import pytest
import torch

from tests.support.objectives import assert_same_with_gradient, batch, learner
from tsclr.objectives import SwAV, sinkhorn, swav
from tsclr.objectives.base import represent


def slow_sinkhorn(scores, epsilon, n_iterations):
    """Columns and rows of the exponentials scaled in turn, entry by entry."""
    N, K = scores.shape
    Q = {(n, k): math.exp(scores[n, k].item() / epsilon) for n in range(N) for k in range(K)}
    for _ in range(n_iterations):
        column = [sum(Q[n, k] for n in range(N)) for k in range(K)]
        Q = {(n, k): value / column[k] * N / K for (n, k), value in Q.items()}
        row = [sum(Q[n, k] for k in range(K)) for n in range(N)]
        Q = {(n, k): value / row[n] for (n, k), value in Q.items()}
    return [[Q[n, k] for k in range(K)] for n in range(N)]


def slow_swav(z, prototypes, temperature, epsilon, n_iterations):
    """Equations 1 and 2 of Caron et al. 2020 in loops, averaged over pairs of views."""
    V, B, _ = z.shape
    scores = [
        torch.stack(
            [torch.stack([sum(x * c) / sum(x * x) ** 0.5 for c in prototypes]) for x in view]
        )
        for view in z
    ]
    q = [slow_sinkhorn(each, epsilon, n_iterations) for each in scores]

    def cross_entropy(v, w, b):
        exponentials = [math.e ** (score / temperature) for score in scores[w][b]]
        return -sum(
            share * (exponential / sum(exponentials)).log()
            for share, exponential in zip(q[v][b], exponentials, strict=True)
        )

    losses = [
        cross_entropy(v, w, b) + cross_entropy(w, v, b)
        for v in range(V)
        for w in range(v)
        for b in range(B)
    ]
    return sum(losses) / len(losses)


def drawn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def prototypes(n=5, width=3):
    return torch.nn.functional.normalize(drawn(n, width, seed=1), dim=1).requires_grad_()


@pytest.mark.parametrize(("n_rows", "n_prototypes"), [(7, 3), (4, 4), (3, 8)])
@pytest.mark.parametrize("n_iterations", [1, 3])
def test_sinkhorn_equals_scaling_in_turn(n_rows, n_prototypes, n_iterations):
    scores = drawn(n_rows, n_prototypes).tanh()
    expected = torch.tensor(slow_sinkhorn(scores, 0.2, n_iterations), dtype=torch.float64)
    torch.testing.assert_close(sinkhorn(scores, 0.2, n_iterations), expected)


def test_sinkhorn_scales_rows_and_columns_only_and_ends_balanced():
    scores = drawn(6, 4).tanh()
    q = sinkhorn(scores, epsilon=0.3, n_iterations=500)
    torch.testing.assert_close(q.sum(1), torch.ones(6).double())
    torch.testing.assert_close(q.sum(0), torch.full((4,), 1.5).double())
    scaling = q.log() - scores / 0.3  # is log u_n + log v_k
    differences = scaling - scaling[:1] - scaling[:, :1] + scaling[0, 0]
    torch.testing.assert_close(differences, torch.zeros(6, 4).double(), rtol=0, atol=1e-9)


def test_a_prototype_that_all_prefer_is_divided():
    scores = torch.tensor([0.5, 0.0, 0.0, 0.0]) + 0.1 * drawn(400, 4).tanh()
    assert sinkhorn(scores, 0.05, 100).sum(0).sub(100).abs().max() < 1
    assert (scores.argmax(1) == 0).all()


def test_small_epsilon_stays_finite_in_single_precision():
    q = sinkhorn(drawn(8, 4).tanh().float(), epsilon=1e-3)
    assert q.isfinite().all()
    torch.testing.assert_close(q.sum(1), torch.ones(8))


@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize("settings", [(0.1, 0.05, 3), (0.5, 0.3, 1)])
def test_swav_equals_the_formula_with_its_gradient(n_views, settings):
    z, c = drawn(n_views, 4, 3).requires_grad_(), prototypes()
    loss, slow = swav(z, c, *settings), slow_swav(z, c, *settings)
    assert_same_with_gradient(loss, slow, (z, c))


def test_mixed_precision_assigns_in_single_precision():
    z, c = drawn(2, 8, 3).bfloat16(), prototypes().detach().float()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(swav(z, c), swav(z.double(), c.double()).float())


def test_length_of_an_embedding_and_order_of_prototypes_and_views_do_not_matter():
    z, c = drawn(3, 6, 3), prototypes()
    torch.testing.assert_close(swav(1e3 * z, c), swav(z, c))
    torch.testing.assert_close(swav(z, c.flip(0)), swav(z, c))
    torch.testing.assert_close(swav(z.flip(0), c), swav(z, c))


def test_windows_that_coincide_stay_finite_and_lose_most():
    """No window can be told from another one: assignments are even, K = 5."""
    z = torch.ones(2, 8, 3, dtype=torch.float64, requires_grad=True)
    loss = swav(z, torch.ones(5, 3).double() / 3**0.5)
    loss.backward()
    assert loss.item() == pytest.approx(2 * math.log(5))
    assert z.grad.isfinite().all()


def test_prototypes_have_unit_length_from_the_start_and_after_each_step():
    encoder, objective = learner(SwAV)
    ones = torch.ones(objective.n_prototypes, dtype=torch.float64)
    torch.testing.assert_close(objective.prototypes.norm(dim=1), ones, rtol=1e-6, atol=0)
    with torch.no_grad():
        objective.prototypes.mul_(3).add_(0.1)
    moved = objective.prototypes.detach().clone()
    objective.after_step(encoder)
    torch.testing.assert_close(objective.prototypes.norm(dim=1), ones)
    torch.testing.assert_close(objective.prototypes * moved.norm(dim=1, keepdim=True), moved)


def test_swav_scores_what_its_projector_gives():
    encoder, objective = learner(SwAV)
    given = batch(n_views=3)
    z = objective.projector(represent(encoder, given.views).flatten(0, 1)).unflatten(0, (3, -1))
    terms = objective(encoder, given)
    assert list(terms) == ["swav"]
    expected = swav(
        z, objective.prototypes, objective.temperature, objective.epsilon, objective.n_iterations
    )
    torch.testing.assert_close(terms["swav"], expected)


@pytest.mark.parametrize("value", [0.0, -0.2, math.inf, math.nan])
@pytest.mark.parametrize("name", ["temperature", "epsilon"])
def test_impossible_settings_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        SwAV(**{name: value})
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        swav(drawn(2, 4, 3), prototypes(), **{name: value})


@pytest.mark.parametrize("name", ["n_prototypes", "n_iterations", "hidden", "width"])
def test_empty_sizes_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        SwAV(**{name: 0})


def test_no_iterations_are_refused():
    with pytest.raises(ValueError, match="n_iterations is 0"):
        sinkhorn(drawn(4, 3), n_iterations=0)


def test_a_single_view_is_refused():
    with pytest.raises(ValueError, match="the number of views is 1"):
        swav(drawn(1, 4, 3), prototypes())
