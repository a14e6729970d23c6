"""The unit root test equals its regression written out, and neighbourhoods what it says."""

import gc
import weakref

import numpy as np
import pytest
import torch
from scipy.stats import norm
from statsmodels.tsa.adfvalues import mackinnonp
from statsmodels.tsa.stattools import adfuller

from tests.support.recordings import recording
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.pairs import StationaryNeighbour, stationary
from tsclr.pairs.stationary import dickey_fuller, unit_root_p


def reference(x, lags):
    """The regression, an equation for each time, solved with its constant."""
    times = range(lags + 1, len(x))
    known = [[1, x[t - 1], *(x[t - i] - x[t - i - 1] for i in range(1, lags + 1))] for t in times]
    known, changes = np.array(known), np.array([x[t] - x[t - 1] for t in times])
    coefficients = np.linalg.lstsq(known, changes, rcond=None)[0]
    unexplained = ((changes - known @ coefficients) ** 2).sum()
    variance = unexplained / (len(known) - known.shape[1]) * np.linalg.inv(known.T @ known)
    return coefficients[1] / np.sqrt(variance[1, 1])


def signals(n=120):
    """White noise, a random walk, a process that returns slowly, and a wave, each at an offset."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4, n))
    slow = np.zeros(n)
    for t in range(1, n):
        slow[t] = 0.9 * slow[t - 1] + noise[2, t]
    wave = np.sin(np.arange(n) / 5) + 0.1 * noise[3]
    return np.stack([noise[0], noise[1].cumsum(), slow, wave]) + rng.normal(size=(4, 1))


@pytest.mark.parametrize("lags", [0, 1, 2, 5])
def test_statistic_equals_the_regression_in_a_loop(lags):
    expected = [reference(x, lags) for x in signals()]
    np.testing.assert_allclose(dickey_fuller(signals(), lags), expected, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:adfuller currently returns:FutureWarning")
@pytest.mark.parametrize("lags", [0, 1, 4])
def test_statistic_and_p_equal_those_of_statsmodels(lags):
    expected = [adfuller(x, maxlag=lags, autolag=None)[:2] for x in signals()]
    statistic = dickey_fuller(signals(), lags)
    found = np.stack([statistic, unit_root_p(statistic)], 1)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_p_equals_that_of_statsmodels_everywhere():
    statistic = np.append(np.linspace(-25, 5, 301), [-np.inf, np.inf])
    expected = [mackinnonp(t, regression="c") for t in statistic]
    np.testing.assert_allclose(unit_root_p(statistic), expected, rtol=1e-12)


def test_random_walks_are_rejected_as_often_as_p_says():
    walks = np.random.default_rng(1).normal(size=(4000, 300)).cumsum(1)
    for level in (0.05, 0.2, 0.5):
        share = (unit_root_p(dickey_fuller(walks)) < level).mean()
        assert abs(share - level) < 5 * np.sqrt(level * (1 - level) / 4000) + 0.01


def test_any_leading_axes_and_single_precision():
    x = signals(64).astype(np.float32)
    stacked = dickey_fuller(np.stack([x, x[::-1]]))
    np.testing.assert_array_equal(stacked, [dickey_fuller(x), dickey_fuller(x[::-1])])


def test_unit_and_offset_do_not_matter():
    np.testing.assert_allclose(dickey_fuller(9.81 * signals() + 100), dickey_fuller(signals()))


def test_a_constant_is_stationary_and_a_line_is_not():
    flat, line = np.full(50, 0.1, np.float32), np.arange(50.0)
    assert dickey_fuller(np.stack([flat, line])).tolist() == [-np.inf, 0]
    assert unit_root_p(dickey_fuller(np.stack([flat, line])))[0] == 0
    assert unit_root_p(dickey_fuller(np.stack([flat, line])))[1] > 0.9


def test_a_pure_wave_is_stationary():
    assert unit_root_p(dickey_fuller(np.sin(np.arange(100) / 4))) < 1e-9


@pytest.mark.parametrize(("n", "lags"), [(5, 1), (3, 0), (100, -1)])
def test_too_short_for_the_regression(n, lags):
    with pytest.raises(ValueError, match=f"lags is {lags} for {n} samples"):
        dickey_fuller(np.arange(float(n)), lags)


# ---------------------------------------------------------------- neighbourhoods


def mixed(length=16):
    """Windows over recordings that rest, drift, and do one after the other; one is short."""
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(4, 300, 2)).astype(np.float32)
    drift = noise.cumsum(1)
    half = np.concatenate([noise[2, :150], drift[2, 150:] - drift[2, 150]])
    parts = [noise[0], drift[1], half, noise[3, :40]]
    channels = ("acc_x", "acc_y")
    store = Store.build(
        [recording(len(x), "s1", f"r{k}", signal=x, channels=channels) for k, x in enumerate(parts)]
    )
    return Windows.sliding(store, length, 7)


def slow_width(start, first, n_samples, signal, length, most):
    """Width of one window; its recording has `n_samples` from `first`."""
    width = 0
    while width < most and 2 * (width + 1) * length <= n_samples:
        half = (width + 1) * length
        low = start + length // 2 - half
        low = min(max(low, first), first + n_samples - 2 * half)
        around = signal[low : low + 2 * half].astype(float)
        p = [mackinnonp(reference(x, 1), regression="c") for x in around.T]
        if sum(p) / len(p) >= 0.01:
            break
        width += 1
    return max(width, 1)


def test_widths_equal_a_loop_over_windows():
    windows = mixed()
    table = windows.store.recordings
    expected = [
        slow_width(
            start, table["start"].iloc[row], table["length"].iloc[row], windows.store.signal, 16, 4
        )
        for start, row in zip(windows.starts, windows.rows(), strict=True)
    ]
    assert set(expected) == {1, 2, 3, 4}
    index = np.random.default_rng(0).permutation(np.arange(len(windows)).repeat(2))
    widths = StationaryNeighbour(most=4).widths(index, windows)
    assert widths.tolist() == np.array(expected)[index].tolist()


def test_testing_in_parts_makes_no_difference(monkeypatch):
    one, other = mixed(), mixed()
    index = np.arange(len(one))
    whole = StationaryNeighbour().widths(index, one)
    monkeypatch.setattr(stationary, "N_TESTED", 200)
    assert np.array_equal(StationaryNeighbour().widths(index, other), whole)


def test_partners_follow_the_gaussian_cut_at_the_ends():
    windows = mixed()
    rest = np.flatnonzero(windows.rows() == 0)
    starts, n_draws = windows.starts[rest], 20_000
    for place in (rest[1], rest[len(rest) // 2]):
        index = np.full(n_draws, place)
        spread = 16 * StationaryNeighbour().widths(index[:1], windows)[0]
        edges = np.concatenate([starts[:1], (starts[1:] + starts[:-1]) / 2, starts[-1:]])
        share = np.diff(norm.cdf(edges, windows.starts[place], spread))
        share /= share.sum()
        partner = StationaryNeighbour().partner(
            index, windows, torch.Generator().manual_seed(int(place))
        )
        counts = np.bincount(partner, minlength=len(windows))
        assert counts[rest].sum() == n_draws
        assert (abs(counts[rest] - n_draws * share) < 5 * np.sqrt(n_draws * share) + 1).all()


def test_a_partner_is_of_the_same_recording():
    windows = mixed()
    index = np.arange(len(windows)).repeat(30)
    partner = StationaryNeighbour(most=6).partner(index, windows)
    assert np.array_equal(windows.rows(partner), windows.rows(index))


def test_the_only_window_of_a_recording_is_its_own_partner():
    windows = Windows.sliding(Store.build([recording(20, "s1"), recording(20, "s1")]), 20, 5)
    assert StationaryNeighbour().partner(np.array([1, 0, 1]), windows).tolist() == [1, 0, 1]


def test_widths_are_found_once_and_forgotten_with_the_windows(monkeypatch):
    windows, pairing = mixed(), StationaryNeighbour()
    index = np.arange(0, len(windows), 2)
    widths = pairing.widths(index, windows)
    tested = []
    monkeypatch.setattr(
        stationary, "dickey_fuller", lambda x, lags: tested.append(len(x)) or dickey_fuller(x, lags)
    )
    assert np.array_equal(StationaryNeighbour().widths(index[::-1], windows), widths[::-1])
    assert not tested
    StationaryNeighbour(p_value=0.02).widths(index, windows)
    assert tested
    held = weakref.ref(windows)
    del windows
    gc.collect()
    assert held() is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"most": 0}, "most=0 must"),
        ({"p_value": 0.0}, "p_value=0 must"),
        ({"p_value": 1.0}, "p_value=1 must"),
        ({"lags": -1}, "lags=-1 must"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        StationaryNeighbour(**setting)


def test_windows_too_short_for_the_test_are_refused():
    with pytest.raises(ValueError, match="lags is 1 for 4 samples"):
        StationaryNeighbour().partner(np.array([0]), mixed(length=2))
