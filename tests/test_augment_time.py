import numpy as np
import pytest
import torch
from scipy import stats
from scipy.interpolate import CubicSpline

from tests.support.views import CLASSES, batch, seeded
from tsclr.augment import Crop, Resample, TimeWarp
from tsclr.augment.time import Sampling, interpolate, time_map

ON_THE_CLOCK = [
    cls for cls in CLASSES.values() if cls.__module__.split(".")[-1] in {"time", "order", "rate"}
]


def read_along(window: torch.Tensor, position: np.ndarray) -> np.ndarray:
    """Every channel of a window (C, T) at these positions, one after the other."""
    time = np.arange(window.shape[1])
    return np.stack([np.interp(position, time, channel) for channel in window.numpy()])


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (TimeWarp, {"strength": 11.0}),
        (TimeWarp, {"knots": 65}),
        (Crop, {"min_fraction": 1.01}),
        (Resample, {"clock": 0.3}),
        (Resample, {"min_rate": 0.0}),
        (Resample, {"min_rate": 1.5}),
    ],
)
def test_setting_outside_its_range(cls, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name} is {value}, allowed is"):
        cls(**arguments)


@pytest.mark.parametrize("cls", ON_THE_CLOCK)
def test_one_clock_for_all_channels_cl_har(cls):
    """CL-HAR draws the time warp for each channel (FACTS § 3.5): one device has one clock."""
    x = batch(C=1).expand(-1, 6, -1)
    view = cls()(x, seeded())
    assert (view == view[:, :1]).all()


@pytest.mark.parametrize("cls", ON_THE_CLOCK)
@pytest.mark.parametrize("T", [2, 3, 64])
def test_values_stay_within_those_of_the_window(cls, T):
    x = batch(T=T, B=500)
    view = cls()(x, seeded())
    assert (view <= x.amax(dim=2, keepdim=True) + 1e-12).all()
    assert (view >= x.amin(dim=2, keepdim=True) - 1e-12).all()


@pytest.mark.parametrize("n_read", [1, 40, 100])
def test_interpolation_value(n_read):
    x = batch(C=4, T=40)
    position = 39 * torch.rand(16, n_read, generator=seeded(), dtype=torch.float64)
    position[:, 0] = 39  # the last sample has no neighbour behind it
    view = interpolate(x, position)
    for i in range(16):
        np.testing.assert_allclose(view[i], read_along(x[i], position[i].numpy()), atol=1e-12)


# ------------------------------------------------------------------------------------ TimeWarp


@pytest.mark.parametrize(("n_knots", "length"), [(2, 2), (5, 40), (9, 128)])
def test_time_map_is_the_integral_of_the_speed(n_knots, length):
    log_speed = 0.4 * torch.randn(16, n_knots, generator=seeded(), dtype=torch.float64)
    position = time_map(log_speed, length)
    for i in range(16):
        spline = CubicSpline(np.arange(n_knots), log_speed[i].numpy(), bc_type="natural")
        elapsed = np.cumsum(np.exp(spline(np.linspace(0, n_knots - 1, length - 1))))
        expected = np.concatenate([[0], elapsed]) / elapsed[-1] * (length - 1)
        np.testing.assert_allclose(position[i], expected, atol=1e-10)


def test_time_warp_draws_a_time_map_with_the_given_strength():
    """With two knots the spline is a line, and the ends of the map give both values back."""
    position = TimeWarp(strength=0.3, knots=2).draw(batch(B=5000, C=1, T=64), seeded())
    speed = position.diff(dim=1)
    change = (speed[:, -1] / speed[:, 0]).log()  # difference of two values with SD 0.3
    assert stats.kstest(change.numpy(), stats.norm(0, 0.3 * 2**0.5).cdf).pvalue > 1e-3


def test_time_warp_reads_the_window_along_the_map():
    warp, x = TimeWarp(strength=0.4, knots=5), batch(C=4, T=40)
    position = warp.draw(x, seeded())
    view = warp.transform(x, position)
    for i in range(16):
        np.testing.assert_allclose(view[i], read_along(x[i], position[i].numpy()), atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("strength", [0.0, 0.2, 10.0])
@pytest.mark.parametrize("T", [2, 128])
def test_time_map_runs_forward_and_keeps_the_end_points(strength, dtype, T):
    x = batch(B=200, T=T, dtype=dtype)
    position = TimeWarp(strength=strength).draw(x, seeded())
    assert position.dtype == dtype
    assert (position.diff(dim=1) >= 0).all()
    assert (position[:, 0] == 0).all()
    assert (position[:, -1] == T - 1).all()
    assert strength > 0 or (position - torch.arange(T)).abs().max() < 1e-3


# ---------------------------------------------------------------------------------------- Crop


def test_crop_value():
    crop, x = Crop(min_fraction=0.3), batch(C=4, T=40)
    start, extent = crop.draw(x, seeded())
    view = crop.transform(x, crop.draw(x, seeded()))
    for i in range(16):
        position = np.linspace(start[i].item(), (start[i] + extent[i]).item(), 40)
        np.testing.assert_allclose(view[i], read_along(x[i], position), atol=1e-10)


def test_crop_span_is_uniform_and_inside_the_window():
    start, extent = Crop(min_fraction=0.5).draw(batch(B=5000, C=1, T=101), seeded())
    assert (start >= 0).all()
    assert (start + extent <= 100 + 1e-9).all()
    assert stats.kstest(extent.numpy(), stats.uniform(50, 50).cdf).pvalue > 1e-3
    assert stats.kstest((start / (100 - extent)).numpy(), "uniform").pvalue > 1e-3


# ------------------------------------------------------------------------------------ Resample


def resampled(window: torch.Tensor, rate: float, phase: float, error: float) -> np.ndarray:
    """The window recorded by another device, sample after sample, and read on our grid."""
    T = window.shape[1]
    mirrored = torch.cat([window, window.flip(1)[:, 1:-1]], dim=1).repeat(1, 9)
    first = 4 * (2 * T - 2)  # where the window itself starts in its mirror images
    dates = [(k + phase) / rate for k in range(-2, T + 2)]
    middle = (T - 1) / 2
    taken = np.array([middle + (date - middle) * (1 + error) for date in dates])
    recording = read_along(mirrored, first + taken)
    return np.stack([np.interp(np.arange(T), dates, channel) for channel in recording])


@pytest.mark.parametrize("T", [2, 3, 40])
@pytest.mark.parametrize(("clock", "min_rate"), [(0.0, 1.0), (0.05, 1.0), (0.0, 0.3), (0.1, 0.5)])
def test_resample_value(clock, min_rate, T):
    resample, x = Resample(clock, min_rate), batch(B=50, C=4, T=T)
    drawn = resample.draw(x, seeded())
    view = resample.transform(x, drawn)
    for i in range(len(x)):
        expected = resampled(x[i], *(value[i].item() for value in drawn))
        np.testing.assert_allclose(view[i], expected, atol=1e-9)


def test_resample_draws_rate_and_phase_uniform_and_error_normal():
    rate, phase, error = Resample(clock=0.03, min_rate=0.4).draw(batch(B=5000, C=1), seeded())
    assert stats.kstest(rate.numpy(), stats.uniform(0.4, 0.6).cdf).pvalue > 1e-3
    assert stats.kstest(phase.numpy(), "uniform").pvalue > 1e-3
    assert stats.kstest(error.numpy(), stats.norm(0, 0.03).cdf).pvalue > 1e-3


def test_resample_at_our_own_rate_in_step_is_the_window():
    x = batch()
    ones = torch.ones(len(x), dtype=x.dtype)
    assert torch.equal(Resample().transform(x, Sampling(ones, 0 * ones, 0 * ones)), x)


def test_a_clock_that_is_slow_shows_a_faster_movement():
    """At ε = 1 % a second of the device lasts 1.01 s, in which more of the movement happens."""
    time = torch.arange(400, dtype=torch.float64)
    ones = torch.ones(1, dtype=torch.float64)
    slow = Sampling(ones, 0 * ones, 0.01 * ones)
    view = Resample().transform((0.1 * time).sin().expand(1, 3, -1), slow)
    middle = 399 / 2
    expected = (0.1 * (middle + 1.01 * (time - middle))).sin()
    twice_interpolated = 2 * 0.1**2 / 8  # a line between neighbours is off by h² / 8 · max |f″|
    assert (view - expected)[:, :, 5:-5].abs().max() < twice_interpolated
