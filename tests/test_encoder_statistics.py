"""The batched statistics equal SciPy's, window by window, and closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy import signal, stats

from tests.test_encoders import windows
from tsclr.encoders import Statistics
from tsclr.encoders.statistics import BANDS, LOG_FLOOR, SPECTRUM_NAMES, TIME_NAMES


def slow_statistics(window, sample_rate):
    """The statistics of one window (C, T) with SciPy, one signal at a time."""
    sensors = window.reshape(-1, 3, window.shape[1]) if len(window) % 3 == 0 else []
    values = []
    for x in [*window, *(np.sqrt((sensor**2).sum(0)) for sensor in sensors)]:
        values += [x.mean(), x.std(), x.min(), x.max(), np.median(x)]
        values += [np.quantile(x, 0.25), np.quantile(x, 0.75)]
        values += [stats.skew(x), stats.kurtosis(x, fisher=False)]
        values += [(x**2).mean(), np.abs(np.diff(x)).mean()]
        f, power = signal.periodogram(x, sample_rate, detrend="constant")
        values += [(f * power).sum() / power.sum(), f[power.argmax()]]
        values += [np.log(power.max() + LOG_FLOOR), stats.entropy(power) / np.log(len(f))]
        for low, high in BANDS:
            in_band = power[(f >= low) & (f < high)].sum() * f[1]
            values.append(np.log(in_band + LOG_FLOOR))
    for sensor in sensors:
        values += list(np.corrcoef(sensor)[np.triu_indices(3, 1)])
    return np.array(values)


@pytest.mark.parametrize(
    ("channels", "length", "rate"), [(6, 128, 50.0), (3, 101, 100.0), (4, 64, 20.0), (9, 8, 50.0)]
)
def test_statistics_equal_scipy_window_by_window(channels, length, rate):
    x = windows(n=4, channels=channels, length=length, dtype=torch.float64)
    encoder = Statistics(channels, sample_rate=rate).double()
    expected = np.stack([slow_statistics(window, rate) for window in x.numpy()])
    np.testing.assert_allclose(encoder(x).numpy(), expected, rtol=1e-8, atol=1e-8)
    assert len(encoder.feature_names) == len(set(encoder.feature_names)) == encoder.num_features


def test_half_precision_of_training_leaves_the_statistics_alone():
    quiet = 1e-3 * windows(n=4)
    with torch.autocast("cpu", torch.bfloat16):
        trained_beside = Statistics(6)(quiet)
    assert torch.equal(trained_beside, Statistics(6)(quiet))


def test_six_channels_give_174_named_statistics():
    encoder = Statistics(6)
    assert encoder.num_features == 174
    assert encoder.forward_features(windows()).shape == (5, 174, 1)
    assert not list(encoder.parameters())


def test_statistics_of_a_tone():
    # 4 Hz for 128 / 64 s: 8 whole periods, so all power lies in one bin
    time = torch.arange(128, dtype=torch.float64) / 64
    x = (2 + 3 * torch.sin(2 * math.pi * 4 * time))[None, None]
    encoder = Statistics(1, sample_rate=64).double()
    found = dict(zip(encoder.feature_names, encoder(x)[0].tolist(), strict=True))
    assert found["channel0_mean"] == pytest.approx(2)
    assert found["channel0_sd"] == pytest.approx(3 / math.sqrt(2))
    assert found["channel0_skewness"] == pytest.approx(0, abs=1e-9)
    assert found["channel0_kurtosis"] == pytest.approx(1.5)  # E sin⁴ / (E sin²)² = (3/8) / (1/4)
    assert found["channel0_energy"] == pytest.approx(4 + 4.5)
    assert found["channel0_dominant_frequency"] == 4
    assert found["channel0_spectral_centroid"] == pytest.approx(4)
    assert found["channel0_spectral_entropy"] == pytest.approx(0, abs=1e-9)
    assert found["channel0_log_power_3_5_hz"] == pytest.approx(math.log(4.5))
    assert found["channel0_log_power_5_8_hz"] == pytest.approx(math.log(LOG_FLOOR))


def test_statistics_of_constant_windows():
    encoder = Statistics(6)
    level = 0.1  # no exact float, so that x - mean(x) would not be 0
    row = encoder(torch.full((1, 6, 100), level))[0].tolist()
    found = dict(zip(encoder.feature_names, row, strict=True))
    for name in ("mean", "min", "max", "median", "quartile1", "quartile3"):
        assert found[f"channel0_{name}"] == pytest.approx(level)
    for name in ("skewness", "kurtosis", *SPECTRUM_NAMES[:2], "spectral_entropy"):
        assert found[f"channel0_{name}"] == 0
    for name in ("sd", "mean_absolute_difference"):
        assert found[f"sensor1_magnitude_{name}"] == pytest.approx(0, abs=1e-10)
    assert found["channel5_log_power_1_2_hz"] == pytest.approx(math.log(LOG_FLOOR))
    assert found["sensor0_correlation_xy"] == 0


def test_statistics_names_match_the_layout():
    names = Statistics(6).feature_names
    assert names[:21] == tuple(f"channel0_{name}" for name in (*TIME_NAMES, *SPECTRUM_NAMES))
    assert names[6 * 21] == "sensor0_magnitude_mean"
    assert names[8 * 21 : 8 * 21 + 3] == tuple(
        f"sensor0_correlation_{p}" for p in ("xy", "xz", "yz")
    )


def test_statistics_need_a_rate():
    with pytest.raises(ValueError, match=r"sample_rate is 0\.0, expected more than 0 Hz"):
        Statistics(6, sample_rate=0.0)
