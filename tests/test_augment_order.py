import numpy as np
import pytest
import torch
from scipy import stats

from tests.support.views import batch, seeded
from tsclr.augment import Permute, Reverse, TimeShift
from tsclr.augment.order import Cuts


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (Permute, {"n_segments": 0}),
        (Permute, {"n_segments": 65}),
        (TimeShift, {"max_fraction": -0.1}),
        (TimeShift, {"max_fraction": 1.1}),
    ],
)
def test_setting_outside_its_range(cls, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name} is {value}, allowed is"):
        cls(**arguments)


# ------------------------------------------------------------------------------------- Permute


@pytest.mark.parametrize(("n_segments", "T"), [(5, 23), (1, 9), (2, 2), (64, 3), (64, 100)])
def test_permutation_value(n_segments, T):
    permute, x = Permute(n_segments), batch(C=4, T=T)
    first, order = permute.draw(x, seeded())
    view = permute.transform(x, Cuts(first, order))
    for i in range(16):
        segments = np.split(x[i].numpy(), first[i].numpy(), axis=1)
        assert len(segments) == min(n_segments, T)
        assert all(segment.shape[1] > 0 for segment in segments)
        joined = np.concatenate([segments[j] for j in order[i]], axis=1)
        np.testing.assert_array_equal(view[i], joined)


@pytest.mark.parametrize("view", [Permute(n_segments=4), Reverse()])
def test_every_channel_keeps_its_own_samples_ts_tcc(view):
    """TS-TCC, CA-TCC, TF-C, SoftCLT copy channel 0 into every channel (FACTS § 3.1)."""
    x = torch.arange(6 * 64, dtype=torch.float64).view(1, 6, 64).expand(32, -1, -1)
    shown = view(x, seeded())
    assert torch.equal(shown.sort(dim=2).values, x)  # each channel keeps its own samples
    position = shown - x[:, :, :1]
    assert (position == position[:, :1]).all()  # all channels in one order


@pytest.mark.parametrize("length", [2, 3, 64])
def test_permutation_of_more_segments_than_samples(length):
    x = torch.arange(float(length)).expand(50, 1, -1)
    view = Permute(n_segments=64)(x, seeded())
    assert torch.equal(view.sort(dim=2).values, x)


def test_permutation_of_one_segment_is_the_window():
    x = batch()
    assert torch.equal(Permute(n_segments=1)(x), x)


def test_every_order_is_equally_likely_and_every_cut_possible():
    first, order = Permute(n_segments=3).draw(batch(B=6000, C=1, T=8), seeded())
    counts = order.unique(dim=0, return_counts=True)[1]
    assert len(counts) == 6
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    assert len(first.unique(dim=0)) == 21  # 2 of the 7 gaps between 8 samples


# ----------------------------------------------------------------------------------- TimeShift


@pytest.mark.parametrize(("max_fraction", "T"), [(0.0, 30), (0.2, 30), (1.0, 30), (1.0, 2)])
def test_time_shift_value(max_fraction, T):
    time_shift, x = TimeShift(max_fraction), batch(B=200, C=3, T=T)
    shift = time_shift.draw(x, seeded())
    view = time_shift.transform(x, shift)
    for i in range(len(x)):
        mirrored = np.pad(x[i].numpy(), ((0, 0), (T - 1, T - 1)), mode="reflect")
        start = T - 1 - shift[i].item()
        np.testing.assert_array_equal(view[i], mirrored[:, start : start + T])


def test_time_shift_is_uniform_over_whole_samples():
    shift = TimeShift(max_fraction=0.25).draw(batch(B=5000, C=1, T=20), seeded())
    values, counts = shift.unique(return_counts=True)
    assert values.tolist() == list(range(-5, 6))
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_time_shift_makes_no_jump():
    smooth = (0.1 * torch.arange(64.0)).sin().expand(50, 3, -1)
    view = TimeShift(max_fraction=1.0)(smooth, seeded())
    assert view.diff(dim=2).abs().max() <= smooth.diff(dim=2).abs().max()


# ------------------------------------------------------------------------------------- Reverse


def test_reverse_value():
    x = batch()
    np.testing.assert_array_equal(Reverse()(x), x.numpy()[:, :, ::-1])
    assert torch.equal(Reverse()(Reverse()(x)), x)
