"""Contrast within the batch equals its formulas written out in loops."""

import math

import pytest
import torch

from tests.objectives import batch, learner
from tsclr.objectives import NTXent, nt_xent
from tsclr.objectives.base import represent
from tsclr.objectives.parts import log_sum_exp, projector


def reference(z, temperature):
    """Equation 1 of Chen et al. 2020 in loops, averaged over all ordered positive pairs."""
    V, B, _ = z.shape
    unit = {
        (v, b): z[v, b] / sum(x * x for x in z[v, b]) ** 0.5 for v in range(V) for b in range(B)
    }
    losses = []
    for v, b in unit:
        exponentials = {
            key: math.e ** (sum(unit[v, b] * unit[key]) / temperature)
            for key in unit
            if key != (v, b)
        }
        losses += [
            -(exponentials[w, b] / sum(exponentials.values())).log() for w in range(V) if w != v
        ]
    return sum(losses) / len(losses)


def embeddings(n_views, n_windows=4, width=3):
    generator = torch.Generator().manual_seed(n_views)
    shape = (n_views, n_windows, width)
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_nt_xent_equals_the_formula_with_its_gradient(n_views, temperature):
    z = embeddings(n_views)
    loss, slow = nt_xent(z, temperature), reference(z, temperature)
    torch.testing.assert_close(loss, slow, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(loss, z), torch.autograd.grad(slow, z), rtol=1e-9, atol=1e-12
    )


def test_gradient_equals_finite_differences():
    assert torch.autograd.gradcheck(nt_xent, (embeddings(2), 0.5))


def test_blocks_of_rows_make_no_difference(monkeypatch):
    z, excluded = embeddings(2, 5), torch.arange(5)[:, None]
    whole = log_sum_exp(z[0], z[1], excluded)
    gradients = torch.autograd.grad(whole.square().sum(), z)
    monkeypatch.setattr("tsclr.objectives.parts.BLOCK", 10)
    parts = log_sum_exp(z[0], z[1], excluded)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts.square().sum(), z), gradients)


def test_mixed_precision_sums_in_single_precision():
    z = embeddings(2).detach().float()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(nt_xent(z), nt_xent(z.double()).float())


def test_no_sample_is_its_own_negative():
    """Orthogonal embeddings: with itself in the denominator, exp(1 / 0.02) would drown all."""
    loss = nt_xent(torch.eye(4, dtype=torch.float64).view(2, 2, 4), temperature=0.02)
    assert loss.item() == pytest.approx(math.log(3), rel=1e-12)


def test_length_of_an_embedding_does_not_matter():
    z = embeddings(2)
    torch.testing.assert_close(nt_xent(z), nt_xent(z * 1e3))


def test_order_of_views_does_not_matter():
    z = embeddings(3)
    torch.testing.assert_close(nt_xent(z), nt_xent(z.flip(0)))


def test_small_temperature_stays_finite_in_float32():
    z = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(0))
    assert nt_xent(z, temperature=1e-3).isfinite()


def test_ntxent_scores_what_its_projector_gives():
    encoder, objective = learner(NTXent)
    given = batch()
    z = objective.projector(represent(encoder, given.views).flatten(0, 1)).unflatten(0, (2, -1))
    terms = objective(encoder, given)
    torch.testing.assert_close(terms["nt_xent"], nt_xent(z, objective.temperature))


def test_views_pass_through_the_encoder_once():
    encoder, objective = learner(NTXent)
    passes = []
    encoder.register_forward_pre_hook(lambda module, args: passes.append(len(args[0])))
    objective(encoder, batch(n_views=3, n=8))
    assert passes == [24]


def test_projector_has_the_asked_sizes():
    head = projector(16, hidden=12, width=5)
    sizes = [tuple(layer.weight.shape) for layer in head if hasattr(layer, "weight")]
    assert sizes == [(12, 16), (12,), (5, 12)]


@pytest.mark.parametrize("temperature", [0.0, -0.2, math.inf, math.nan])
def test_impossible_temperature_is_refused(temperature):
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        NTXent(temperature=temperature)
    with pytest.raises(ValueError, match=f"temperature is {temperature}"):
        nt_xent(embeddings(2), temperature)


@pytest.mark.parametrize("shape", [(1, 4, 3), (2, 1, 3)])
def test_nothing_to_contrast_is_refused(shape):
    with pytest.raises(ValueError, match=f"{shape[0]} views of {shape[1]} windows"):
        nt_xent(torch.ones(shape))


@pytest.mark.parametrize("name", ["hidden", "width"])
def test_empty_layers_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        NTXent(**{name: 0})
