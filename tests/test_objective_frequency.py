"""Time-frequency consistency equals its formulas written out in loops, and is trained with."""

import math

import pytest
import torch

from tests.support.objectives import assert_same_with_gradient, batch, learner
from tsclr.encoders import CNN1d, Concat, Spectrum
from tsclr.objectives import TFC, contrastive_distance, nt_xent, time_frequency_consistency
from tsclr.objectives.base import represent
from tsclr.objectives.batch import Batch


def distance(first, second, temperature):
    """Equation 1 of Zhang et al. 2022 in loops, in both directions; a number for each window."""
    rows = [row / row.norm() for row in [*first, *second]]
    n = len(first)

    def one_way(anchor, positive):
        scores = {k: math.e ** (sum(rows[anchor] * rows[k]) / temperature) for k in range(2 * n)}
        rest = sum(score for k, score in scores.items() if k != anchor)
        return -(scores[positive] / rest).log()

    return torch.stack([(one_way(b, b + n) + one_way(b + n, b)) / 2 for b in range(n)])


def consistency(time, spectrum, temperature, margin):
    """Equation 3 in loops, with the hinge of a triplet loss."""
    plain = distance(time[0], spectrum[0], temperature)
    loss = 0
    for pair in (
        distance(time[0], spectrum[1], temperature),
        distance(time[1], spectrum[0], temperature),
        distance(time[1], spectrum[1], temperature),
    ):
        for window in range(len(plain)):
            excess = plain[window] - pair[window] + margin
            if excess > 0:
                loss = loss + excess / len(plain)
    return loss


def embeddings(seed, n_windows=5, width=3):
    generator = torch.Generator().manual_seed(seed)
    shape = (2, n_windows, width)
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_distance_equals_the_formula_with_its_gradient(temperature):
    z = embeddings(0)
    found, slow = contrastive_distance(*z, temperature), distance(*z, temperature)
    torch.testing.assert_close(found, slow, rtol=1e-12, atol=1e-12)
    weights = torch.arange(1.0, 6.0, dtype=torch.float64)
    torch.testing.assert_close(
        torch.autograd.grad(found @ weights, z),
        torch.autograd.grad(slow @ weights, z),
        rtol=1e-9,
        atol=1e-12,
    )


@pytest.mark.parametrize("margin", [0.0, 1.0, 50.0])
def test_consistency_equals_the_formula_with_its_gradient(margin):
    z = (embeddings(1), embeddings(2))
    found = time_frequency_consistency(*z, temperature=0.3, margin=margin)
    slow = consistency(*z, temperature=0.3, margin=margin)
    assert_same_with_gradient(found, slow, z)


def test_some_windows_of_the_test_above_lie_beyond_the_margin_and_some_within():
    z = (embeddings(1).detach(), embeddings(2).detach())
    plain = distance(z[0][0], z[1][0], 0.3)
    excess = plain - distance(z[0][1], z[1][1], 0.3) + 1.0
    assert (excess > 0).any()
    assert (excess < 0).any()


def test_the_mean_distance_is_nt_xent():
    z = embeddings(3)
    torch.testing.assert_close(contrastive_distance(*z).mean(), nt_xent(z))


def test_consistency_is_none_once_augmented_views_lie_beyond_the_margin():
    near = torch.eye(4, dtype=torch.float64)
    z = torch.stack([near, -near])
    far = (contrastive_distance(near, -near) - contrastive_distance(near, near)).min().item()
    twice = torch.stack([near, near.roll(1, 0)])
    assert time_frequency_consistency(z, z, margin=far).item() > 0  # both augmented: they agree
    assert time_frequency_consistency(z, twice, margin=1.0).item() == 0


def test_mixed_precision_is_computed_in_single_precision():
    z = (embeddings(1).detach().bfloat16(), embeddings(2).detach().bfloat16())
    with torch.autocast("cpu", torch.bfloat16):
        loss = time_frequency_consistency(*z)
    torch.testing.assert_close(loss, time_frequency_consistency(*(each.float() for each in z)))


def embedded(encoder, objective, view):
    """h and z of a single view by both parts, in evaluation mode."""
    h = represent(encoder, [view])[0].split(encoder.part_widths, dim=1)
    return h, (objective.of_time(h[0]), objective.of_spectrum(h[1]))


@pytest.mark.parametrize("n_views", [2, 3, 4])
def test_terms_are_those_of_the_paper(n_views):
    """First view as it is, second in time, last in frequency; eq. 4 with its weights."""
    encoder, objective = learner(TFC)
    encoder.eval(), objective.eval()
    given = batch(n_views, noise=0.5)
    (h, z), (h_t, z_t), (h_f, z_f) = (
        embedded(encoder, objective, given.views[number]) for number in (0, 1, -1)
    )
    tau, share = objective.temperature, objective.contrast_weight
    expected = {
        "time": share * distance(h[0], h_t[0], tau).mean(),
        "frequency": share * distance(h[1], h_f[1], tau).mean(),
        "consistency": (1 - share)
        * consistency(
            torch.stack([z[0], z_t[0]]), torch.stack([z[1], z_f[1]]), tau, objective.margin
        ),
    }
    torch.testing.assert_close(objective(encoder, given), expected)


def test_the_consistency_is_part_of_what_is_trained():
    """The code published with the paper computes it and leaves it out of the loss."""
    encoder, objective = learner(TFC)
    terms = objective(encoder, batch(3))
    both = [*encoder.parameters()]
    gradients = torch.autograd.grad(sum(terms.values()), both, retain_graph=True)
    without = torch.autograd.grad(terms["time"] + terms["frequency"], both)
    assert not any(torch.equal(one, other) for one, other in zip(gradients, without, strict=True))


def test_contrasts_train_their_own_part_and_no_projector():
    encoder, objective = learner(TFC)
    of_time, of_spectrum = encoder.encoders
    terms = objective(encoder, batch(3))
    for name, own, other in (("time", of_time, of_spectrum), ("frequency", of_spectrum, of_time)):
        watched = [*own.parameters(), *other.parameters(), *objective.parameters()]
        found = torch.autograd.grad(terms[name], watched, retain_graph=True, allow_unused=True)
        n_own = len(list(own.parameters()))
        assert all(each is not None and each.any() for each in found[:n_own])
        assert not any(each is not None and each.any() for each in found[n_own:])


def test_the_two_parts_have_their_own_projector():
    encoder = Concat(6, [CNN1d(6, width=4), Spectrum(6, CNN1d(6, width=8))])
    objective = TFC(hidden=12, width=5).build(encoder, n_windows=10)
    assert objective.of_time[0].weight.shape == (12, 48)
    assert objective.of_spectrum[0].weight.shape == (12, 96)
    assert objective(encoder, Batch([torch.randn(4, 6, 64)] * 2))["time"].isfinite()


@pytest.mark.parametrize(
    ("encoder", "widths"),
    [
        (CNN1d(6, width=4), "48"),
        (Concat(6, [CNN1d(6, width=width) for width in (4, 8, 8)]), "48, 96, 96"),
    ],
)
def test_other_than_two_parts_are_refused(encoder, widths):
    with pytest.raises(ValueError, match=f"has parts of {widths} features: use a Concat"):
        TFC().build(encoder, n_windows=10)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("contrast_weight", 1.5),
        ("contrast_weight", -0.1),
        ("margin", -1.0),
        ("margin", math.inf),
        ("margin", math.nan),
        ("temperature", 0.0),
        ("hidden", 0),
        ("width", 0),
    ],
)
def test_impossible_settings_are_refused(argument, value):
    with pytest.raises(ValueError, match=f"{argument} is {value}"):
        TFC(**{argument: value})


def test_a_negative_margin_is_refused():
    with pytest.raises(ValueError, match=r"margin is -1\.0"):
        time_frequency_consistency(embeddings(1), embeddings(2), margin=-1.0)


def test_a_single_window_is_refused():
    with pytest.raises(ValueError, match="the number of windows is 1"):
        contrastive_distance(torch.ones(1, 3), torch.ones(1, 3))
