"""Objectives without negatives do not collapse, and do once what prevents it is taken away."""

import dataclasses

import pytest
import torch

from tests.support.objectives import C, batch, loss_of, weights_of, windows
from tsclr.embed.diagnostics import effective_rank
from tsclr.encoders import CNN1d
from tsclr.objectives import BYOL, BarlowTwins, SimSiam, SwAV, VICReg

pytestmark = pytest.mark.slow
FLOOR = 25
"""Least effective rank of what 64 windows become."""


def small(kind, **settings):
    torch.manual_seed(0)
    encoder = CNN1d(C, width=16)
    return encoder, kind(**settings).build(encoder, n_windows=128)


def batches():
    for step in range(60):
        given = batch(n=32, seed=step % 4)
        yield dataclasses.replace(given, views=[view.float() for view in given.views])


def trained(encoder, objective):
    """Features and embeddings of windows that a short training did not see."""
    optimizer = torch.optim.Adam(weights_of(encoder, objective).values(), lr=2e-3)
    for given in batches():
        loss = loss_of(encoder, objective, given)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        objective.after_step(encoder)
    encoder.eval(), objective.eval()
    with torch.no_grad():
        h = encoder(windows(64, seed=5).float())
        return h, objective.projector(h)


@pytest.mark.parametrize("kind", [BYOL, SimSiam, SwAV, BarlowTwins, VICReg])
def test_features_and_embeddings_keep_their_rank(kind):
    h, z = trained(*small(kind))
    assert effective_rank(h) > FLOOR
    assert effective_rank(z) > FLOOR


def test_byol_collapses_without_predictor_and_average():
    encoder, objective = small(BYOL, momentum=0.0)
    objective.predictor = torch.nn.Identity()
    assert effective_rank(trained(encoder, objective)[1]) < FLOOR


def test_simsiam_collapses_without_predictor():
    encoder, objective = small(SimSiam)
    objective.predictor = torch.nn.Identity()
    assert effective_rank(trained(encoder, objective)[1]) < FLOOR


def test_swav_collapses_without_equal_shares(monkeypatch):
    def nearest(scores, epsilon, n_iterations):
        return (scores / epsilon).softmax(1)

    monkeypatch.setattr("tsclr.objectives.clustering.sinkhorn", nearest)
    assert effective_rank(trained(*small(SwAV))[1]) < FLOOR


def test_barlow_twins_collapses_without_redundancy_reduction():
    z = trained(*small(BarlowTwins, redundancy_weight=0.0))[1]
    assert effective_rank(z) < FLOOR


def test_vicreg_shrinks_without_variance():
    """Effective rank does not see the size of embeddings; this collapse is one of size."""
    kept, shrunk = (
        trained(*small(VICReg, variance_weight=weight))[1].std(0).mean() for weight in (25.0, 0.0)
    )
    assert shrunk < kept / 3
