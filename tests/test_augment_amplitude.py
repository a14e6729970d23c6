import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.interpolate import CubicSpline

from tests.support.views import batch, seeded
from tsclr.augment import Drift, Jitter, MagnitudeWarp, Offset, Scale
from tsclr.augment.amplitude import normal_quantiles, white_noise
from tsclr.augment.draws import spline_basis

ODD_NAMES = ["gyr_z", "wrist_acc_x", "gyr_x", "heart_rate", "wrist_acc_y", "ankle_acc_x"]
ODD_SENSORS = [0, 1, 0, 2, 1, 3]


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (Jitter, {"sd": -1.0}),
        (Scale, {"sd": math.inf}),
        (MagnitudeWarp, {"sd": -0.1}),
        (MagnitudeWarp, {"knots": 1}),
        (Offset, {"sd": -0.1}),
        (Drift, {"sd": math.nan}),
        (Drift, {"knots": 65}),
    ],
)
def test_setting_outside_its_range(cls, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name} is {value}, allowed is"):
        cls(**arguments)


def test_jitter_adds_white_noise_of_the_given_sd():
    noise = Jitter(sd=0.2)(torch.zeros(64, 6, 128, dtype=torch.float64), seeded())
    assert stats.kstest(noise.flatten().numpy(), stats.norm(0, 0.2).cdf).pvalue > 1e-3
    steps = noise[:, :, 1:] * noise[:, :, :-1]  # white: no correlation from sample to sample
    assert abs(steps.mean().item()) < 5 * 0.04 / math.sqrt(steps.numel())


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 5, 8])
def test_noise_from_one_word_of_random_bits_is_independent(lag):
    noise = white_noise(torch.zeros(64, 5, 1001), seeded()).double()
    for values in (noise, noise.square() - 1):
        products = values[:, :, lag:] * values[:, :, :-lag]
        assert abs(products.mean()) < 5 * products.std() / math.sqrt(products.numel())


@pytest.mark.parametrize(("n_channels", "T"), [(1, 2), (1, 3), (3, 7), (5, 13), (2, 64)])
def test_noise_fills_windows_of_any_size(n_channels, T):
    noise = white_noise(torch.zeros(20_000, n_channels, T), seeded())
    assert noise.shape == (20_000, n_channels, T)
    for sample in (noise[:, 0, 0], noise[:, -1, -1]):
        assert stats.kstest(sample.double().numpy(), stats.norm.cdf).pvalue > 1e-3


def test_noise_levels_are_all_used_and_equally_likely():
    quantiles = normal_quantiles(2**16)
    noise = white_noise(torch.zeros(64, 16, 2048), seeded())
    counts = torch.searchsorted(quantiles, noise.flatten()).bincount(minlength=2**16)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    assert torch.isin(noise, quantiles).all()


@pytest.mark.parametrize("n", [2, 5, 2**16])
def test_normal_quantiles_have_mean_zero_and_variance_one(n):
    quantiles = normal_quantiles(n).double()
    assert abs(quantiles.mean()) < 1e-6
    assert abs(quantiles.square().mean() - 1) < 1e-6
    expected = stats.norm.ppf((np.arange(n) + 0.5) / n)
    np.testing.assert_allclose(quantiles, expected / np.sqrt(np.mean(expected**2)), rtol=1e-6)


def test_jitter_value():
    x = batch()
    drawn = Jitter().draw(x, seeded())
    np.testing.assert_allclose(Jitter(sd=0.3).transform(x, drawn), x.numpy() + 0.3 * drawn.numpy())


@pytest.mark.parametrize(
    ("n_channels", "per_channel", "n_gains"),
    [(6, False, 2), (6, True, 6), (4, False, 4), (9, False, 3), (1, False, 1)],
)
def test_scale_value(n_channels, per_channel, n_gains):
    scale, x = Scale(sd=0.1, per_channel=per_channel), batch(C=n_channels)
    gains = scale.draw(x, seeded())
    assert gains.unique(dim=1).shape == (16, n_gains)
    view = scale.transform(x, gains)
    for i in range(16):
        for c in range(n_channels):
            assert gains[i, c] == gains[i, c - c % (n_channels // n_gains)]
            np.testing.assert_allclose(view[i, c], gains[i, c].item() * x[i, c].numpy())


@pytest.mark.parametrize("cls", [Scale, MagnitudeWarp])
def test_gains_follow_the_names_of_the_channels(cls):
    drawn = cls().for_channels(ODD_NAMES).draw(batch(), seeded())
    for a, first in enumerate(ODD_SENSORS):
        for b, second in enumerate(ODD_SENSORS):
            assert (drawn[:, a] == drawn[:, b]).all() == (first == second)


def test_scaling_is_one_gain_per_sensor_with_mean_one_ts_tcc():
    """TS-TCC, TF-C, CL-HAR, CrossHAR: a gain per time step with mean 2 (FACTS § 3.2)."""
    view = Scale(sd=0.1)(torch.ones(20_000, 6, 4, dtype=torch.float64), seeded())
    assert (view == view[:, :, :1]).all()  # constant in time
    sensors = view[:, :, 0].view(-1, 2, 3)
    assert (sensors == sensors[:, :, :1]).all()  # x, y and z alike
    assert stats.kstest(sensors[:, :, 0].flatten().numpy(), stats.norm(1, 0.1).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("n_channels", "n_curves"), [(6, 2), (4, 4)])
def test_magnitude_warp_value(n_channels, n_curves):
    warp, x = MagnitudeWarp(sd=0.2, knots=5), batch(C=n_channels, T=50)
    gains = warp.draw(x, seeded())
    view = warp.transform(x, gains)
    for i in range(16):
        for c in range(n_channels):
            assert (gains[i, c] == gains[i, c - c % (n_channels // n_curves)]).all()
            spline = CubicSpline(np.arange(5), gains[i, c].numpy(), bc_type="natural")
            np.testing.assert_allclose(view[i, c], spline(np.linspace(0, 4, 50)) * x[i, c].numpy())


def test_magnitude_warp_has_mean_one_and_keeps_directions():
    curves = MagnitudeWarp(sd=0.2)(torch.ones(20_000, 6, 16, dtype=torch.float64), seeded())
    assert (curves.mean(dim=0) - 1).abs().max() < 5 * 0.2 / math.sqrt(20_000)
    assert abs(curves[:, :, 0].std().item() - 0.2) < 0.01
    assert (curves.view(-1, 2, 3, 16) == curves.view(-1, 2, 3, 16)[:, :, :1]).all()


def test_magnitude_warp_is_smooth_per_sensor_with_mean_one_ts_tcc():
    """TS-TCC and others: a gain for each time step is noise, not a change of gain (FACTS § 3.2)."""
    curve = MagnitudeWarp(sd=0.2, knots=4)(torch.ones(64, 3, 128, dtype=torch.float64), seeded())
    steps = curve.diff(dim=2).abs().mean()
    assert steps < 0.05 * (curve - 1).abs().mean()


def test_offset_is_one_constant_per_channel():
    x = batch(B=5000, T=4)
    bias = Offset(sd=0.3).draw(x, seeded())
    assert stats.kstest(bias.flatten().numpy(), stats.norm(0, 0.3).cdf).pvalue > 1e-3
    correlation = np.corrcoef(bias.T)[~np.eye(6, dtype=bool)]  # the axes of a sensor differ
    assert np.abs(correlation).max() < 5 / math.sqrt(5000)
    view = Offset(sd=0.3).transform(x, bias)
    np.testing.assert_array_equal(view, x.numpy() + bias.numpy()[:, :, None])


@pytest.mark.parametrize("knots", [2, 3, 5])
def test_drift_is_the_natural_spline_through_a_random_walk(knots):
    sd, every = 0.3, 12
    x = torch.zeros(3000, 2, (knots - 1) * every + 1, dtype=torch.float64)
    drift = Drift(sd, knots).draw(x, seeded()).numpy()
    walk = drift[:, :, ::every]
    np.testing.assert_array_equal(walk[:, :, 0], 0.0)
    steps = stats.norm(0, sd / math.sqrt(knots - 1))
    for k in range(1, knots):
        step = walk[:, :, k] - walk[:, :, k - 1]
        assert stats.kstest(step.flatten(), steps.cdf).pvalue > 1e-3
    assert stats.kstest(drift[:, :, -1].flatten(), stats.norm(0, sd).cdf).pvalue > 1e-3
    where = np.arange(x.shape[2]) / every
    expected = CubicSpline(np.arange(knots), walk, axis=2, bc_type="natural")(where)
    np.testing.assert_allclose(drift, expected, atol=1e-12)


def test_drift_steps_are_independent_in_time_and_between_channels():
    drift = Drift(sd=1.0, knots=4).draw(torch.zeros(5000, 3, 4), seeded())
    steps = drift.diff(dim=2).flatten(1)
    correlation = np.corrcoef(steps.T)[~np.eye(9, dtype=bool)]
    assert np.abs(correlation).max() < 5 / math.sqrt(5000)


def test_drift_adds_any_curve():
    x, curve = batch(), batch().cumsum(dim=2)
    np.testing.assert_array_equal(Drift().transform(x, curve), x.numpy() + curve.numpy())


@pytest.mark.parametrize("cls", [Offset, Drift])
def test_bias_is_in_the_unit_of_the_window(cls):
    """The same bias whatever the window holds: nothing is scaled by its range."""
    x = batch(dtype=torch.float32)
    bias, loud = cls()(x, seeded()) - x, cls()(1000 * x, seeded()) - 1000 * x
    torch.testing.assert_close(bias, loud, atol=1e-3, rtol=0)


def test_views_leave_the_kept_spline_as_it_is():
    basis = spline_basis(64, 4, torch.float64, torch.device("cpu"))
    before, x = basis.clone(), batch()
    for view in (MagnitudeWarp(), Drift()):
        view(x, seeded())
    assert torch.equal(basis, before)
    assert spline_basis(64, 4, torch.float64, torch.device("cpu")) is basis


COMPILE = """
import torch
from tsclr.augment import (
    ChannelDropout, Drift, Jitter, MagnitudeWarp, Offset, Quantize, SampleDropout, Saturate, Scale,
    SensorDropout, TimeMask,
)

torch.manual_seed(0)
for cls in (
    ChannelDropout, Drift, Jitter, MagnitudeWarp, Offset, Quantize, SampleDropout, Saturate, Scale,
    SensorDropout, TimeMask,
):
    torch._dynamo.reset()  # all classes share one `forward`, and it is compiled eight times at most
    view = cls(p=0.5)
    compiled = torch.compile(view, fullgraph=True, backend="eager", dynamic=True)
    for x in torch.randn(6, 6, 33), torch.randn(5, 6, 33), torch.randn(7, 6, 40):
        torch.manual_seed(1)
        views = compiled(x)
        torch.manual_seed(1)
        torch.testing.assert_close(views, view(x))
"""


@pytest.mark.slow
def test_views_compile_for_batches_of_several_sizes():
    """In a process of its own: the annotation checks of the tests cannot be compiled."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "lru_cache" not in done.stderr
