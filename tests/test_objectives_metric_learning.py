"""Losses that pytorch-metric-learning has too are the same there, with their gradients."""

import pytest
import torch
from pytorch_metric_learning.losses import NTXentLoss, SupConLoss, VICRegLoss

from tsclr.objectives import momentum_contrast, nt_xent, sup_con, vicreg

V, B, D = 2, 6, 5
CLASSES = torch.tensor([0, 1, 0, 2, 1, 1])


def embeddings(n_views=V, n_windows=B, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (n_views, n_windows, D)
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


def assert_equal_with_gradient(ours, theirs, z):
    torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)
    (ours,), (theirs,) = torch.autograd.grad(ours, z), torch.autograd.grad(theirs, z)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_nt_xent_of_two_views(temperature):
    """Of more views theirs has in the denominator one positive at a time."""
    z = embeddings()
    theirs = NTXentLoss(temperature)(z.flatten(0, 1), torch.arange(B).repeat(V))
    assert_equal_with_gradient(nt_xent(z, temperature), theirs, z)


@pytest.mark.parametrize("n_views", [2, 3])
def test_nt_xent_of_any_views_is_supervised_contrast_of_windows(n_views):
    z = embeddings(n_views)
    theirs = SupConLoss(0.3)(z.flatten(0, 1), torch.arange(B).repeat(n_views))
    assert_equal_with_gradient(nt_xent(z, 0.3), theirs, z)


@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_sup_con(n_views, temperature):
    z = embeddings(n_views)
    theirs = SupConLoss(temperature)(z.flatten(0, 1), CLASSES.repeat(n_views))
    assert_equal_with_gradient(sup_con(z, CLASSES, temperature), theirs, z)


def test_momentum_contrast():
    """Theirs for each query, whose class only its own key shares."""
    z, keys, queue = embeddings(), embeddings(seed=1).detach(), embeddings(1, 9, seed=2)[0].detach()
    numbers = torch.arange(1 + len(queue))
    theirs = [
        NTXentLoss(0.2)(z[v, [b]], numbers[:1], None, torch.cat([keys[1 - v, [b]], queue]), numbers)
        for v in range(V)
        for b in range(B)
    ]
    assert_equal_with_gradient(
        momentum_contrast(z, keys, queue, 0.2), torch.stack(theirs).mean(), z
    )


def test_vicreg():
    """Theirs has half the weight on the variance, as the code published with the paper."""
    z = embeddings()
    ours = sum(vicreg(z, variance_weight=25, invariance_weight=25, covariance_weight=1).values())
    assert_equal_with_gradient(ours, VICRegLoss(variance_mu=50)(z[0], ref_emb=z[1]), z)
