"""Predictive coding equals its formula in loops, and never knows what it foretells."""

import dataclasses
import math

import pytest
import torch

from tests.support.objectives import assert_same_with_gradient, batch, learner
from tsclr.objectives import CPC, predictive_coding
from tsclr.objectives.base import represent_steps
from tsclr.objectives.batch import Batch
from tsclr.objectives.infonce import step_nce


def reference(z, predicted):
    """Equations 3 and 4 of van den Oord et al. 2018 in loops; the candidates are the windows."""
    V, B, S, K, _ = predicted.shape
    losses = []
    for v in range(V):
        for k in range(1, K + 1):
            for t in range(S - k):
                for b in range(B):
                    ratios = [
                        math.e ** (predicted[v, b, t, k - 1] * z[v, m, t + k]).sum()
                        for m in range(B)
                    ]
                    losses.append(-(ratios[b] / sum(ratios)).log())
    return sum(losses) / len(losses)


def drawn(*shape):
    generator = torch.Generator().manual_seed(len(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize(("n_views", "horizon"), [(1, 1), (1, 4), (2, 3)])
def test_predictive_coding_equals_the_formula_with_its_gradient(n_views, horizon):
    z, predicted = drawn(n_views, 3, 5, 2), drawn(n_views, 3, 5, horizon, 2)
    loss, slow = predictive_coding(z, predicted), reference(z, predicted)
    assert_same_with_gradient(loss, slow, (z, predicted))


def test_step_nce_equals_its_formula():
    predicted, steps = drawn(4, 3, 2), drawn(4, 3, 2).detach() + 1
    exponentials = torch.einsum("bnd,mnd->nbm", predicted, steps).exp()
    own = exponentials.diagonal(dim1=1, dim2=2)
    expected = -(own / exponentials.sum(2)).log().mean()
    torch.testing.assert_close(step_nce(predicted, steps), expected)


def test_predictions_that_say_nothing_leave_all_windows_as_likely():
    loss = predictive_coding(drawn(1, 6, 4, 3), torch.zeros(1, 6, 4, 2, 3).double())
    assert loss.item() == pytest.approx(math.log(6))


def test_other_steps_of_a_window_are_no_negatives():
    """Every step of a window is the same, so that another one would halve the probability."""
    z = 50 * torch.eye(4, dtype=torch.float64).view(1, 4, 1, 4).expand(1, 4, 5, 4)
    assert predictive_coding(z, z[..., None, :].expand(1, 4, 5, 2, 4)).item() < 1e-9


def test_views_are_used_each_on_its_own():
    z, predicted = drawn(2, 3, 5, 2), drawn(2, 3, 5, 2, 2)
    alone = [predictive_coding(z[v : v + 1], predicted[v : v + 1]) for v in range(2)]
    torch.testing.assert_close(predictive_coding(z, predicted), sum(alone) / 2)


def test_mixed_precision_sums_in_single_precision():
    z, predicted = (drawn(*shape).detach().float() for shape in [(1, 3, 5, 2), (1, 3, 5, 2, 2)])
    with torch.autocast("cpu", torch.bfloat16):
        found = predictive_coding(z, predicted)
    torch.testing.assert_close(found, predictive_coding(z.double(), predicted.double()).float())


def test_cpc_foretells_from_the_context_of_the_steps_so_far():
    encoder, objective = learner(CPC)
    given = batch()
    z = represent_steps(encoder, given.views).transpose(2, 3)
    width = z.shape[3]
    state, contexts = torch.zeros(1, 2 * len(given), objective.context_width).double(), []
    for step in range(z.shape[2]):
        seen = z[:, :, step].flatten(0, 1)[:, None]
        state = objective.context(seen, state)[1]
        contexts.append(state[0])
    context = torch.stack(contexts, 1).unflatten(0, (2, -1))
    maps = objective.predictions.weight.split(width)
    assert len(maps) == objective.horizon
    predicted = torch.stack([context @ weight.T for weight in maps], 3)
    terms = objective(encoder, given)
    torch.testing.assert_close(terms["predictive_coding"], predictive_coding(z, predicted))


def test_a_context_knows_no_later_step():
    encoder, objective = learner(CPC)
    z = represent_steps(encoder, batch(1).views).transpose(2, 3)[0].detach().requires_grad_()
    context, _ = objective.context(z)
    for step in range(z.shape[1]):
        (gradient,) = torch.autograd.grad(context[:, step].sum(), z, retain_graph=True)
        reached = gradient.abs().sum((0, 2)) > 0
        assert reached.tolist() == [other <= step for other in range(z.shape[1])]


def test_one_view_is_enough():
    encoder, objective = learner(CPC)
    assert CPC.n_views == 1
    one, both = batch(1), batch(2)
    encoder.eval()
    alone = [
        objective(encoder, dataclasses.replace(one, views=[view]))["predictive_coding"]
        for view in both.views
    ]
    torch.testing.assert_close(objective(encoder, both)["predictive_coding"], sum(alone) / 2)


@pytest.mark.parametrize(("length", "n_steps"), [(64, 4), (16, 1)])
def test_too_few_steps_are_refused(length, n_steps):
    encoder, objective = learner(CPC)
    views = [torch.randn(4, 6, length, dtype=torch.float64)]
    with pytest.raises(ValueError, match=f"{n_steps} steps, too few for horizon = 4"):
        objective(encoder, Batch(views))


@pytest.mark.parametrize("name", ["horizon", "context_width"])
def test_settings_out_of_range_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        CPC(**{name: 0})
