import math

import numpy as np
import pytest
import torch
from scipy import stats

from tests.support.views import CLASSES, batch, seeded
from tsclr.augment import Chain, CutMix, Jitter, Mixup, RandomOrder, soft_targets
from tsclr.augment.base import Gated
from tsclr.augment.mixing import Cut, Mix

both = pytest.mark.parametrize("cls", [Mixup, CutMix])


@both
@pytest.mark.parametrize("max_share", [-0.1, 1.1, math.nan])
def test_setting_outside_its_range(cls, max_share):
    with pytest.raises(ValueError, match=f"max_share is {max_share}, allowed is 0 to 1"):
        cls(max_share)


def test_these_and_no_others_mix_windows():
    assert {cls for cls in CLASSES.values() if cls.mixes_windows} == {Mixup, CutMix}


@both
def test_not_in_a_random_order(cls):
    with pytest.raises(ValueError, match=f"{cls.__name__} mixes windows and cannot be in"):
        RandomOrder([Jitter(), Chain([cls()])])


@both
def test_partners_are_a_permutation_and_each_is_equally_likely(cls):
    generator = seeded()
    draws = [cls().draw(batch(B=4, T=2), generator).partner for _ in range(3000)]
    assert all(sorted(partner.tolist()) == [0, 1, 2, 3] for partner in draws)
    counts = torch.stack(draws).unique(dim=0, return_counts=True)[1]
    assert len(counts) == 24
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3


@both
def test_the_draw_ignores_the_values(cls):
    x = batch()
    first, second = cls().draw(x, seeded()), cls().draw(x * 0 + 7, seeded())
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@both
def test_a_view_needs_its_window_and_its_partner_only(cls):
    mixing, x = cls(), batch()
    drawn = mixing.draw(x, seeded())
    views = mixing.transform(x, drawn)
    for i, partner in enumerate(drawn.partner.tolist()):
        alone = torch.full_like(x, math.nan)
        alone[[i, partner]] = x[[i, partner]]
        assert torch.equal(mixing.transform(alone, drawn)[i], views[i])


@both
def test_a_single_window_is_its_own_partner(cls):
    x = batch(B=1)
    torch.testing.assert_close(cls()(x, seeded()), x)


@both
def test_a_share_of_zero_is_the_window(cls):
    x = batch()
    assert torch.equal(cls(max_share=0.0)(x, seeded()), x)


# --------------------------------------------------------------------------------------- Mixup


@pytest.mark.parametrize("max_share", [0.5, 1.0])
def test_mixup_value(max_share):
    mixup, x = Mixup(max_share), batch()
    partner, share = mixup.draw(x, seeded())
    views = mixup.transform(x, Mix(partner, share))
    for i in range(len(x)):
        expected = (1 - share[i]) * x[i] + share[i] * x[partner[i]]
        torch.testing.assert_close(views[i], expected)


@pytest.mark.parametrize("max_share", [0.2, 0.5])
def test_mixup_share_is_uniform(max_share):
    share = Mixup(max_share).draw(batch(B=5000, C=1, T=2), seeded()).share
    assert stats.kstest(share.numpy(), stats.uniform(0, max_share).cdf).pvalue > 1e-3


def test_mixup_share_is_the_folded_beta_of_alpha_one():
    share = Mixup().draw(batch(B=5000, C=1, T=2), seeded()).share
    weight = stats.beta(1, 1).rvs(5000, random_state=0)
    folded = np.minimum(weight, 1 - weight)  # the window is the larger part
    assert stats.kstest(share.numpy(), folded).pvalue > 1e-3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixup_rounds_the_view_and_not_the_share(dtype):
    mixup, x = Mixup(), batch(dtype=dtype)
    drawn = mixup.draw(x, seeded())
    assert drawn.share.dtype == torch.float32
    assert torch.equal(mixup.transform(x, drawn), mixup.transform(x.float(), drawn).to(dtype))


# -------------------------------------------------------------------------------------- CutMix


@pytest.mark.parametrize("T", [2, 3, 64, 4095])
@pytest.mark.parametrize("max_share", [0.4, 1.0])
def test_cut_mix_value(max_share, T):
    cut_mix, x = CutMix(max_share), batch(B=50, C=3, T=T, dtype=torch.float32)
    partner, share, start = cut_mix.draw(x, seeded())
    views = cut_mix.transform(x, Cut(partner, share, start))
    for i in range(len(x)):
        first, n = start[i].item(), round(share[i].item() * T)
        assert 0 <= n <= round(max_share * T)
        assert 0 <= first <= T - n
        expected = x[i].clone()
        expected[:, first : first + n] = x[partner[i], :, first : first + n]
        assert torch.equal(views[i], expected)


def test_every_length_and_every_place_of_a_span_is_equally_likely():
    _, share, start = CutMix(max_share=0.5).draw(batch(B=20_000, C=1, T=10), seeded())
    lengths, counts = share.unique(return_counts=True)
    torch.testing.assert_close(lengths, torch.arange(6, dtype=lengths.dtype) / 10)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    for length in lengths:
        counts = start[share == length].bincount()
        assert len(counts) == 11 - round(10 * length.item())
        assert stats.chisquare(counts.numpy()).pvalue > 1e-3


# -------------------------------------------------------------------------------- soft_targets


@both
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_targets_are_the_mix_of_windows_that_say_who_they_are(cls, p):
    """Window i is 1 in channel i and 0 elsewhere, so a view shows in its means who is in it."""
    x = torch.eye(16, dtype=torch.float64)[:, :, None].repeat(1, 1, 40)
    mixing = cls(p=p)
    gated = mixing.draw_gated(x, seeded())
    means = mixing.transform_gated(x, gated).mean(dim=2)
    torch.testing.assert_close(soft_targets(gated), means, rtol=0, atol=1e-15)


@both
def test_targets_of_random_windows_mix_them(cls):
    """The mean over time of a mix is the mix of the means where each window is constant."""
    x = batch(B=32, T=1).expand(-1, -1, 64).contiguous()
    mixing = cls(p=0.7)
    gated = mixing.draw_gated(x, seeded())
    views = mixing.transform_gated(x, gated)
    torch.testing.assert_close(soft_targets(gated) @ x[:, :, 0], views.mean(dim=2))


@both
def test_targets_sum_to_one_and_favour_the_window_itself(cls):
    gated = cls(p=0.5).draw_gated(batch(B=64, dtype=torch.float32), seeded())
    targets = soft_targets(gated)
    assert (targets.shape, targets.dtype) == ((64, 64), torch.float32)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(64))
    assert (targets.diagonal() >= 0.5).all()
    assert torch.equal(targets[~gated.applies], torch.eye(64)[~gated.applies])


def test_targets_of_a_window_that_is_its_own_partner():
    own = Mix(torch.tensor([0, 2, 1]), torch.tensor([0.3, 0.2, 0.4]))
    torch.testing.assert_close(soft_targets(Gated(None, own))[0], torch.tensor([1.0, 0.0, 0.0]))


def test_targets_of_something_else():
    chain, x = Chain([Mixup()]), batch()
    with pytest.raises(TypeError, match="gated holds a tuple, expected what draw_gated of a Mix"):
        soft_targets(chain.draw_gated(x))
    with pytest.raises(TypeError, match="gated holds a Tensor"):
        soft_targets(Jitter().draw_gated(x))
