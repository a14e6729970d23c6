"""Each diagnostic has the value that its closed form gives."""

import math

import pytest
import torch
from scipy.special import ive

from tsclr.embed.diagnostics import (
    alignment,
    dead_features,
    effective_rank,
    neighbour_agreement,
    uniformity,
)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def circle(n):
    angle = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
    return torch.stack([angle.cos(), angle.sin()], dim=1)


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 2, math.pi])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_alignment_is_the_chord_of_the_angle(angle, power):
    first = torch.tensor([[1.0, 0.0]], dtype=torch.float64).expand(3, 2)
    second = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64).expand(3, 2)
    expected = (2 * math.sin(angle / 2)) ** power
    assert alignment(5 * first, 0.1 * second, power).item() == pytest.approx(expected, abs=1e-12)


def test_alignment_averages_over_pairs():
    first = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    second = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert alignment(first, second).item() == pytest.approx(2.0)


def test_uniformity_equals_a_double_loop():
    z = random(7, 3).double()
    unit = z / z.norm(dim=1, keepdim=True)
    kernel = [
        math.exp(-3.0 * float((unit[n] - unit[m]).square().sum()))
        for n in range(7)
        for m in range(7)
        if n != m
    ]
    assert uniformity(z, t=3.0).item() == pytest.approx(math.log(sum(kernel) / 42), rel=1e-12)


def test_uniformity_on_a_full_circle():
    """The mean of exp(-t (2 - 2 cos a)) over all angles is exp(-2t) I_0(2t), with a Bessel I_0.

    The n points evenly spaced give the integral but for n / (n - 1) and the pair with itself.
    """
    n, t = 1000, 2.0
    integral = float(ive(0, 2 * t))
    expected = math.log((n * integral - 1) / (n - 1))
    assert uniformity(circle(n), t).item() == pytest.approx(expected, rel=1e-9)


def test_uniformity_is_best_when_spread_and_zero_when_collapsed():
    assert uniformity(torch.ones(10, 4)).item() == pytest.approx(0, abs=1e-12)
    half = circle(100).abs()
    assert uniformity(circle(100)) < uniformity(half) < 0


def test_uniformity_of_distant_points_does_not_underflow():
    z = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert uniformity(z, t=500.0).item() == pytest.approx(-2000.0)


def test_effective_rank_counts_equal_directions():
    orthonormal = torch.linalg.qr(random(50, 6)).Q
    assert effective_rank(orthonormal).item() == pytest.approx(6, rel=1e-6)
    assert effective_rank(random(50, 1) @ random(1, 6)).item() == pytest.approx(1, abs=1e-4)
    assert effective_rank(torch.ones(50, 6)).item() == pytest.approx(1)
    assert effective_rank(torch.zeros(50, 6)).item() == 1


def test_effective_rank_of_unequal_directions():
    """Singular values 3 and 1: entropy of (3/4, 1/4)."""
    expected = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))).item() == pytest.approx(expected)


def test_effective_rank_ignores_scale():
    h = random(40, 5)
    assert effective_rank(h).item() == pytest.approx(effective_rank(1e-6 * h).item())


def test_dead_features_are_counted_whatever_their_unit():
    h = random(100, 6)
    h[:, 1] = 0.0
    h[:, 2] = 9.81
    h[:, 3] *= 1e-6
    h[:, 4] = 5.0 + 1e-4 * h[:, 4]
    assert dead_features(h).item() == 3
    assert dead_features(h, threshold=1e-6).item() == 2
    assert dead_features(h, threshold=1.1).item() == 6


def test_all_features_of_a_collapsed_encoder_are_dead():
    assert dead_features(random(1, 8).expand(64, 8) + 1e-7 * random(64, 8)).item() == 8


def anything(n):
    return torch.ones(n, n, dtype=torch.bool)


def test_neighbour_agreement_equals_a_double_loop():
    first, second = random(12, 3).double(), random(12, 3, seed=1).double()
    second[4] = second[7]  # a tie
    compared = random(12, 12, seed=2) > 0
    compared[5] = False  # a window without any comparison
    cosine = torch.cosine_similarity(first[:, None], second[None], dim=2).tolist()
    shares = []
    for n in range(12):
        others = [m for m in range(12) if m != n and compared[n, m]]
        if others:
            won = sum(1.0 for m in others if cosine[n][n] > cosine[n][m])
            tied = sum(0.5 for m in others if cosine[n][n] == cosine[n][m])
            shares.append((won + tied) / len(others))
    assert len(shares) == 11
    found = neighbour_agreement(first, second, compared).item()
    assert found == pytest.approx(sum(shares) / 11, abs=1e-12)


def test_neighbour_agreement_is_one_where_neighbours_are_nearest():
    z = circle(50)
    assert neighbour_agreement(3 * z, 0.1 * z, anything(50)).item() == 1.0
    assert neighbour_agreement(z, -z, anything(50)).item() == 0.0


def test_neighbour_agreement_of_chance_is_one_half():
    """Standard error: 1 / sqrt(12 N) for N independent rows with a uniform rank, here 0.006."""
    found = neighbour_agreement(random(2000, 16), random(2000, 16, seed=1), anything(2000))
    assert found.item() == pytest.approx(0.5, abs=0.03)
    assert neighbour_agreement(torch.zeros(9, 4), torch.zeros(9, 4), anything(9)).item() == 0.5


def test_neighbour_agreement_asks_only_what_is_compared():
    """The mark of the wearer makes everybody else distant, but says nothing of the time."""
    wearer = torch.arange(200) % 2
    mark = torch.eye(2, dtype=torch.float64)[wearer]
    same = wearer[:, None] == wearer
    assert neighbour_agreement(mark, mark, ~same).item() == 1.0
    assert neighbour_agreement(mark, mark, same).item() == 0.5


def test_neighbour_agreement_says_what_does_not_fit():
    with pytest.raises(ValueError, match=r"\(5, 2\), \(4, 2\) and \(5, 5\)"):
        neighbour_agreement(random(5, 2), random(4, 2), anything(5))
    with pytest.raises(ValueError, match=r"\(5, 2\), \(5, 2\) and \(4, 4\)"):
        neighbour_agreement(random(5, 2), random(5, 2), anything(4))
    with pytest.raises(ValueError, match="no window has another one"):
        neighbour_agreement(random(5, 2), random(5, 2), ~anything(5))


@pytest.mark.parametrize(
    "number",
    [
        lambda h: alignment(h, h.flip(0)),
        lambda h: neighbour_agreement(h, h.flip(0), anything(len(h))),
        uniformity,
        effective_rank,
        dead_features,
    ],
)
def test_diagnostics_leave_the_graph_and_the_features_alone(number):
    h = random(20, 4).requires_grad_()
    before = h.detach().clone()
    assert not number(h).requires_grad
    assert torch.equal(h.detach(), before)
    assert number(h.bfloat16()).item() == number(h.bfloat16().double()).item()


@pytest.mark.parametrize(
    "number",
    [
        lambda h: alignment(h, h),
        lambda h: neighbour_agreement(h, h, anything(len(h))),
        uniformity,
        effective_rank,
        dead_features,
    ],
)
def test_bad_features_are_refused(number):
    broken = random(6, 4)
    broken[2, 1:3] = math.nan
    with pytest.raises(ValueError, match="2 of 24 values are not finite"):
        number(broken)
    with pytest.raises(ValueError, match=r"\(6, 4, 1\)"):
        number(broken[..., None])
    with pytest.raises(ValueError, match=r"\(0, 4\)"):
        number(broken[:0])


def test_unpaired_features_are_refused():
    with pytest.raises(ValueError, match=r"\(5, 2\) and \(4, 2\)"):
        alignment(random(5, 2), random(4, 2))


@pytest.mark.parametrize("number", [uniformity, dead_features])
def test_one_row_is_too_few_to_compare(number):
    with pytest.raises(ValueError, match="at least 2"):
        number(random(1, 3))
