import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.ndimage import convolve1d
from scipy.signal.windows import hann

from tests.support.views import batch, seeded
from tsclr.augment import AmplitudeNoise, BandStop, FrequencyMask, PhaseNoise, Smooth

LENGTHS = pytest.mark.parametrize("T", [2, 3, 4, 31, 32, 128])


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (Smooth, {"max_width": 1}),
        (Smooth, {"max_width": 65}),
        (FrequencyMask, {"rate": -0.1}),
        (FrequencyMask, {"rate": math.nan}),
        (BandStop, {"fraction": 1.1}),
        (PhaseNoise, {"sd": 10.5}),
        (AmplitudeNoise, {"sd": -1.0}),
    ],
)
def test_setting_outside_its_range(cls, arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"{name} is {value}, allowed is"):
        cls(**arguments)


def wave(k: float, T: int = 240) -> torch.Tensor:
    """One window of one channel with k oscillations that begin and end between two samples."""
    time = torch.arange(T, dtype=torch.float64) + 0.5  # so that it is its own mirror image
    return (2 * math.pi * k / T * time).cos()[None, None]


def bins(x: torch.Tensor) -> np.ndarray:
    """The spectrum of each channel as NumPy computes it."""
    return np.fft.rfft(x.numpy(), axis=2)


# -------------------------------------------------------------------------------------- Smooth


@pytest.mark.parametrize(
    ("max_width", "T"), [(2, 2), (2, 128), (4, 127), (64, 128), (64, 40), (64, 3), (64, 2)]
)
def test_smooth_value(max_width, T):
    """A kernel can be longer than the window, up to 127 samples for 2."""
    smooth, x = Smooth(max_width), batch(C=4, T=T)
    kernels = smooth.draw(x, seeded())
    assert kernels.shape == (16, 2 * max_width - 1)
    view = smooth.transform(x, kernels)
    for i in range(len(x)):
        expected = convolve1d(x[i].numpy(), kernels[i].numpy(), axis=1, mode="reflect")
        np.testing.assert_allclose(view[i], expected, atol=1e-12)


@pytest.mark.parametrize("size", [3, 5, 9, 33])
def test_smooth_with_the_hann_window_of_scipy(size):
    x, kernel = batch(), hann(size) / hann(size).sum()
    view = Smooth().transform(x, torch.from_numpy(kernel).expand(16, -1))
    np.testing.assert_allclose(view, convolve1d(x.numpy(), kernel, axis=2), atol=1e-12)


def test_kernels_are_hann_windows_of_uniform_width():
    kernels = Smooth(max_width=5).draw(batch(B=5000), seeded())
    torch.testing.assert_close(kernels.sum(dim=1), torch.ones(5000, dtype=kernels.dtype))
    assert torch.equal(kernels, kernels.flip(1))
    assert (kernels >= 0).all()
    # the next neighbour of the middle has cos²(π / 2w) of its weight
    ratio = kernels[:, 5] / kernels[:, 4]
    width = math.pi / 2 / ratio.sqrt().acos()
    sixteenths = (16 * width).round()
    torch.testing.assert_close(width, sixteenths / 16)
    values, counts = sixteenths.unique(return_counts=True)
    assert values.tolist() == list(range(16, 81))
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    second = kernels[:, 6] / kernels[:, 4]
    expected = (math.pi * (1 / width).clamp(max=0.5)).cos().square()
    torch.testing.assert_close(second, expected)


@pytest.mark.parametrize("width", [2, 3, 4, 6])
def test_smooth_halves_and_removes_what_it_says(width):
    kernel = torch.from_numpy(hann(2 * width + 1)[1:-1] / width)[None]
    half, none = wave(240 / (2 * width)), wave(240 / width)
    torch.testing.assert_close(Smooth().transform(half, kernel), half / 2)
    torch.testing.assert_close(Smooth().transform(none, kernel), torch.zeros_like(none))


def test_smooth_passes_slow_movement_and_constants():
    view = Smooth(max_width=4)(torch.cat([wave(1), 9.81 + 0 * wave(1)], dim=1), seeded())
    torch.testing.assert_close(view[:, 0], wave(1)[:, 0], atol=2e-3, rtol=0)
    torch.testing.assert_close(view[:, 1], torch.full_like(view[:, 1], 9.81))


def test_smooth_keeps_the_mean():
    x = batch()
    torch.testing.assert_close(Smooth(max_width=32)(x, seeded()).mean(dim=2), x.mean(dim=2))


# ------------------------------------------------------------------- what the others share


@LENGTHS
@pytest.mark.parametrize("view", [FrequencyMask(), BandStop(), PhaseNoise(), AmplitudeNoise()])
def test_gravity_stays_and_channels_of_a_sensor_keep_their_direction(view, T):
    x = batch(B=64, C=3, T=T)
    x[:, 1], x[:, 2] = 2 * x[:, 0], 0.0
    x += torch.tensor([0.1, -0.3, 0.9])[:, None]
    shown = view(x, seeded())
    torch.testing.assert_close(shown.mean(dim=2), x.mean(dim=2))
    moving = shown - shown.mean(dim=2, keepdim=True)
    torch.testing.assert_close(moving[:, 1], 2 * moving[:, 0])
    torch.testing.assert_close(moving[:, 2], torch.zeros_like(moving[:, 2]))


# ------------------------------------------------------------------------------- FrequencyMask


@LENGTHS
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_frequency_mask_value(rate, T):
    mask, x = FrequencyMask(rate), batch(C=4, T=T)
    keeps = mask.draw(x, seeded())
    view = mask.transform(x, keeps)
    for i in range(len(x)):
        spectrum = np.fft.rfft(x[i].numpy(), axis=1)
        for k, is_kept in enumerate(keeps[i].tolist(), start=1):
            spectrum[:, k] *= is_kept
        np.testing.assert_allclose(view[i], np.fft.irfft(spectrum, n=T, axis=1), atol=1e-12)


def test_masked_bins_are_empty_and_the_others_as_before():
    mask, x = FrequencyMask(rate=0.5), batch()
    keeps = mask.draw(x, seeded())[:, None].expand(-1, 6, -1).numpy()
    before, after = bins(x), bins(mask.transform(x, torch.from_numpy(keeps[:, 0])))
    np.testing.assert_allclose(after[:, :, 1:][~keeps], 0, atol=1e-12)
    np.testing.assert_allclose(after[:, :, 1:][keeps], before[:, :, 1:][keeps], atol=1e-12)


def test_bins_are_masked_at_the_rate_and_independently():
    keeps = FrequencyMask(rate=0.3).draw(batch(B=4000, C=1, T=64), seeded())
    counts = keeps.sum(dim=1).bincount(minlength=33)
    expected = 4000 * stats.binom.pmf(np.arange(33), 32, 0.7)
    common = expected > 5
    assert (
        stats.chisquare(
            [*counts[common], counts[~common].sum()], [*expected[common], expected[~common].sum()]
        ).pvalue
        > 1e-3
    )
    assert ((keeps.double().mean(dim=0) - 0.7).abs() < 5 * math.sqrt(0.21 / 4000)).all()


# ------------------------------------------------------------------------------------ BandStop


@LENGTHS
@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_band_stop_value(fraction, T):
    stop, x = BandStop(fraction), batch(C=4, T=T)
    first = stop.draw(x, seeded())
    view = stop.transform(x, first)
    width = round(fraction * (T // 2))
    for i, k in enumerate(first.tolist()):
        assert 1 <= k <= T // 2 + 1 - width
        spectrum = np.fft.rfft(x[i].numpy(), axis=1)
        spectrum[:, k : k + width] = 0
        np.testing.assert_allclose(view[i], np.fft.irfft(spectrum, n=T, axis=1), atol=1e-12)


def test_every_place_of_the_band_is_equally_likely():
    first = BandStop(fraction=0.5).draw(batch(B=5000, C=1, T=24), seeded())
    values, counts = first.unique(return_counts=True)
    assert values.tolist() == [1, 2, 3, 4, 5, 6, 7]  # 6 of the bins 1 to 12
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_a_band_of_the_whole_spectrum_leaves_the_mean():
    x = batch(T=33)
    torch.testing.assert_close(BandStop(fraction=1.0)(x), x.mean(dim=2, keepdim=True).expand_as(x))


# ---------------------------------------------------------------------------------- PhaseNoise


@LENGTHS
def test_phase_noise_value(T):
    noise, x = PhaseNoise(), batch(C=4, T=T)
    turn = noise.draw(x, seeded())
    assert turn.shape == (16, (T - 1) // 2)
    view = noise.transform(x, turn)
    for i in range(len(x)):
        spectrum = np.fft.rfft(x[i].numpy(), axis=1)
        for k, angle in enumerate(turn[i].tolist(), start=1):
            spectrum[:, k] = np.abs(spectrum[:, k]) * np.exp(
                1j * (np.angle(spectrum[:, k]) + angle)
            )
        np.testing.assert_allclose(view[i], np.fft.irfft(spectrum, n=T, axis=1), atol=1e-12)


@LENGTHS
@pytest.mark.parametrize("sd", [0.5, 10.0])
def test_phase_noise_keeps_energy_and_correlations(sd, T):
    """Channels that share their turns keep all their products, summed over the window."""
    x = batch(C=4, T=T)
    view = PhaseNoise(sd)(x, seeded())
    torch.testing.assert_close(view @ view.mT, x @ x.mT)
    np.testing.assert_allclose(np.abs(bins(view)), np.abs(bins(x)), atol=1e-12)


def test_a_wave_is_shifted_by_its_phase():
    x, turn = wave(10), torch.zeros(1, 119, dtype=torch.float64)
    turn[0, 9] = 2 * math.pi * 5 / 24  # of the 24 samples of one oscillation five
    torch.testing.assert_close(PhaseNoise().transform(x, turn), x.roll(-5, 2))


def test_phases_are_normal_in_radians():
    turn = PhaseNoise(sd=0.4).draw(batch(B=500, C=1, T=65), seeded())
    assert stats.kstest(turn.flatten().numpy(), stats.norm(0, 0.4).cdf).pvalue > 1e-3


# ------------------------------------------------------------------------------ AmplitudeNoise


@LENGTHS
@pytest.mark.parametrize("n_channels", [4, 6])
def test_amplitude_noise_value(n_channels, T):
    noise, x = AmplitudeNoise(), batch(C=n_channels, T=T)
    gains = noise.draw(x, seeded())
    view = noise.transform(x, gains)
    for i in range(len(x)):
        spectrum = np.fft.rfft(x[i].numpy(), axis=1)
        spectrum[:, 1:] *= gains[i].numpy()
        np.testing.assert_allclose(view[i], np.fft.irfft(spectrum, n=T, axis=1), atol=1e-12)


@pytest.mark.parametrize(
    ("names", "sensors"),
    [
        (None, [0, 0, 0, 1, 1, 1]),
        (
            ["gyr_z", "wrist_acc_x", "gyr_x", "heart_rate", "wrist_acc_y", "ankle_acc_x"],
            [0, 1, 0, 2, 1, 3],
        ),
    ],
)
def test_the_channels_of_a_sensor_share_gains_with_mean_one(names, sensors):
    noise, x = AmplitudeNoise(sd=0.3), batch(B=500)
    if names:
        noise.for_channels(names)
    gains = noise.draw(x, seeded())
    assert gains.shape == (500, 6, 32)
    for a in range(6):
        for b in range(6):
            assert torch.equal(gains[:, a], gains[:, b]) == (sensors[a] == sensors[b])
    one_each = gains[:, [sensors.index(s) for s in set(sensors)]]
    assert stats.kstest(one_each.flatten().numpy(), stats.norm(1, 0.3).cdf).pvalue > 1e-3
