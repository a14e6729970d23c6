"""TNC equals its formula in loops, and non-neighbours are far in time or elsewhere."""

import dataclasses
import math

import pytest
import torch

from tests.support.objectives import batch, learner
from tsclr.objectives import TNC, neighbourhood_coding
from tsclr.objectives.base import represent


def reference(near, far, counts, w):
    """The weighted objective of Tonekaboni et al. 2021 in loops over pairs."""
    positive = [-math.log(1 / (1 + math.exp(-x))) for x in near.tolist()]
    unlabelled = []
    for x, counted in zip(far.tolist(), counts.tolist(), strict=True):
        D = 1 / (1 + math.exp(-x))
        if counted:
            unlabelled.append(-((1 - w) * math.log(1 - D) + w * math.log(D)))
    return sum(positive) / len(positive) + sum(unlabelled) / max(1, len(unlabelled))


def logits(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(n, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("w", [0.0, 0.05, 0.5, 1.0])
def test_loss_equals_the_formula_with_its_gradient(w):
    near, far, counts = logits(5), logits(7, seed=1), logits(7, seed=2) > 0
    near.requires_grad_(), far.requires_grad_()
    loss = neighbourhood_coding(near, far, counts, w)
    assert loss.item() == pytest.approx(reference(near, far, counts, w), rel=1e-12)
    assert 0 < counts.sum() < 7
    of_near, of_far = torch.autograd.grad(loss, (near, far))
    # d/dx of -log D is D - 1, and of the unlabelled loss D - w.
    torch.testing.assert_close(of_near, (near.sigmoid() - 1) / 5)
    torch.testing.assert_close(of_far, (far.sigmoid() - w) * counts / counts.sum())


def test_loss_equals_the_formula_when_nothing_is_far():
    near, far = logits(5), logits(7)
    nothing = torch.zeros(7, dtype=torch.bool)
    assert neighbourhood_coding(near, far, nothing).item() == pytest.approx(
        reference(near, far, nothing, 0.05)
    )


def test_the_best_answer_to_unlabelled_pairs_is_w():
    far = torch.tensor([0.2, 0.3, 0.4]).logit()
    losses = [neighbourhood_coding(torch.zeros(1), x[None], x[None] < 9, w=0.3) for x in far]
    assert min(losses) == losses[1]


def test_logits_of_any_size_stay_finite_in_half_precision():
    x = torch.tensor([6e4, -6e4], dtype=torch.float16)
    assert neighbourhood_coding(x, x, x == x).isfinite()


def slow_term(objective, h, given, drawn):
    """Every ordered pair of views; of the windows drawn, those that are far count."""
    near, far = [], []
    V, B, _ = h.shape
    discriminator = lambda one, other: objective.discriminator(torch.cat([one, other]))[0]  # noqa: E731
    for v in range(V):
        for u in set(range(V)) - {v}:
            for b in range(B):
                near.append(discriminator(h[v, b], h[u, b]))
                for m in drawn[b].tolist():
                    elsewhere = given.recordings[v, b] != given.recordings[u, m]
                    away = abs(given.starts[v, b] - given.starts[u, m]) > objective.seconds
                    if m != b and (elsewhere or away):
                        far.append(discriminator(h[v, b], h[u, m]))
    near, far = torch.stack(near), torch.stack(far)
    return neighbourhood_coding(near, far, far == far, objective.w), len(far)


@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize("seconds", [0.0, 30.0, 1e6])
def test_term_equals_a_loop_over_pairs_with_the_draws_held_fixed(n_views, seconds):
    encoder, objective = learner(TNC)
    objective.seconds = seconds
    given = batch(n_views)
    shape = (len(given), objective.n_negatives)
    drawn = torch.randint(len(given), shape, generator=torch.Generator().manual_seed(0))
    expected, n_far = slow_term(objective, represent(encoder, given.views), given, drawn)
    assert 0 < n_far < n_views * (n_views - 1) * drawn.numel()
    torch.testing.assert_close(objective(encoder, given)["neighbourhood_coding"], expected)


def test_windows_near_in_time_are_no_negatives():
    """One recording, all within reach: only neighbours count."""
    encoder, objective = learner(TNC)
    given = batch()
    near = dataclasses.replace(given, starts=given.starts / 100, recordings=given.recordings * 0)
    h = represent(encoder, given.views)
    logit = objective.discriminator(torch.cat([h, h.flip(0)], -1))[..., 0]
    expected = -logit.sigmoid().log().mean()
    torch.testing.assert_close(objective(encoder, near)["neighbourhood_coding"], expected)


@pytest.mark.parametrize("what", ["starts", "recordings"])
def test_a_batch_without_times_is_refused(what):
    encoder, objective = learner(TNC)
    with pytest.raises(ValueError, match=f"TNC needs the {what} of the batch"):
        objective(encoder, dataclasses.replace(batch(), **{what: None}))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"w": -0.1}, "w is -0.1, it must be from 0 to 1"),
        ({"w": 1.1}, "w is 1.1"),
        ({"seconds": -1.0}, "seconds is -1.0, it must be finite"),
        ({"seconds": math.inf}, "seconds is inf"),
        ({"n_negatives": 0}, "n_negatives is 0"),
        ({"hidden": 0}, "hidden is 0"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        TNC(**setting)


def test_impossible_w_is_refused():
    with pytest.raises(ValueError, match=r"w is 1\.1"):
        neighbourhood_coding(logits(5), logits(7), logits(7) > 0, w=1.1)
