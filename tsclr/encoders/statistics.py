"""Windows (B, C, T) in, hand-crafted statistics (B, D, 1) out: the baseline without parameters.

One batch is one sort, one real FFT and a few sums; nothing loops over windows.
"""

import math

import torch
from jaxtyping import Float

from tsclr.encoders.base import Encoder

__all__ = ["Statistics"]

BANDS = ((0.3, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 5.0), (5.0, 8.0), (8.0, 15.0))
"""Bands of body movement in Hz, lower edge included."""

TIME_NAMES = (
    "mean",
    "sd",
    "min",
    "max",
    "median",
    "quartile1",
    "quartile3",
    "skewness",
    "kurtosis",
    "energy",
    "mean_absolute_difference",
)
"""What `time_statistics` returns, in order."""

SPECTRUM_NAMES = (
    "spectral_centroid",
    "dominant_frequency",
    "log_peak_power",
    "spectral_entropy",
    *(f"log_power_{low:g}_{high:g}_hz" for low, high in BANDS),
)
"""What `spectrum_statistics` returns, in order."""

PAIRS = ("xy", "xz", "yz")
"""Axes of a sensor whose correlation `axis_correlations` returns, in order."""

LOG_FLOOR = 1e-8
"""Added to a power before its logarithm: below the noise of a wearable accelerometer, in g²."""

TINY = 1e-24
"""Least variance: a constant signal is divided by its root and gives 0, not a NaN."""


class Statistics(Encoder):
    """Hand-crafted statistics in time and frequency, in physical units.

    For each channel, and for the magnitude √(x² + y² + z²) of each sensor, the 11 `TIME_NAMES` and
    the 10 `SPECTRUM_NAMES`; then the 3 correlations between the axes of each sensor. Channels are
    taken as sensors of three axes where their number is a multiple of 3; otherwise there are no
    magnitudes and no correlations. Six channels give (6 + 2) × 21 + 2 × 3 = 174 features.

    Of a constant window, skewness, kurtosis, correlations, entropy, centroid and dominant
    frequency are 0, and log powers are log(`LOG_FLOOR`). So are the powers of a band that holds no
    bin of the Fourier transform, as in short windows or above half the sample rate.

    Parameters
    ----------
    in_channels : int
        Channels C of a window.
    sample_rate : float
        Hz.

    Raises
    ------
    ValueError
        If a number is not positive.

    Examples
    --------
    >>> encoder = Statistics(in_channels=6, sample_rate=50.0)
    >>> encoder(torch.randn(2, 6, 128)).shape
    torch.Size([2, 174])
    >>> encoder.feature_names[0], encoder.feature_names[-1]
    ('channel0_mean', 'sensor1_correlation_yz')
    """

    min_length = 8

    def __init__(self, in_channels: int, sample_rate: float = 50.0) -> None:
        if sample_rate <= 0:
            raise ValueError(f"sample_rate is {sample_rate}, expected more than 0 Hz")
        names = feature_names(in_channels)
        # The mean over one step is that step.
        super().__init__(in_channels, len(names), pooling=("mean",))
        self.sample_rate = sample_rate

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Name of each feature, such as ``channel2_sd`` and ``sensor0_magnitude_energy``."""
        return feature_names(self.in_channels)

    def features(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B D S"]:
        """Statistics of the whole window, named by `feature_names`, as a map of one step."""
        # Half precision would lose band powers of quiet windows, and differ from evaluation.
        with torch.autocast(x.device.type, enabled=False):
            return self._statistics(x.to(torch.promote_types(x.dtype, torch.float32)))[..., None]

    def _statistics(self, x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B D"]:
        """`features` without the axis of steps."""
        sensors = split_sensors(x)
        signals = torch.cat([x, torch.linalg.vector_norm(sensors, dim=2)], dim=1)
        from_start = signals - signals[..., :1]  # exactly 0 where constant, unlike x - mean
        centred = from_start - from_start.mean(-1, keepdim=True)
        statistics = [
            time_statistics(signals, centred),
            spectrum_statistics(centred, self.sample_rate),
        ]
        correlations = axis_correlations(split_sensors(centred[:, : self.in_channels]))
        return torch.cat([torch.cat(statistics, -1).flatten(1), correlations], 1)


def feature_names(in_channels: int) -> tuple[str, ...]:
    """Names of the statistics of windows with `in_channels` channels, in order.

    Examples
    --------
    >>> len(feature_names(6)), len(feature_names(4))
    (174, 84)
    """
    n_sensors = in_channels // 3 if in_channels % 3 == 0 else 0
    signals = [f"channel{i}" for i in range(in_channels)]
    signals += [f"sensor{i}_magnitude" for i in range(n_sensors)]
    statistics = (*TIME_NAMES, *SPECTRUM_NAMES)
    return (
        *(f"{signal}_{statistic}" for signal in signals for statistic in statistics),
        *(f"sensor{i}_correlation_{pair}" for i in range(n_sensors) for pair in PAIRS),
    )


def split_sensors(x: Float[torch.Tensor, "B C T"]) -> Float[torch.Tensor, "B n_sensors 3 T"]:
    """Channels as sensors of three axes; no sensor where C is not a multiple of 3.

    Examples
    --------
    >>> split_sensors(torch.zeros(2, 6, 10)).shape, split_sensors(torch.zeros(2, 4, 10)).shape
    (torch.Size([2, 2, 3, 10]), torch.Size([2, 0, 3, 10]))
    """
    n_sensors = x.shape[1] // 3 if x.shape[1] % 3 == 0 else 0
    return x[:, : 3 * n_sensors].unflatten(1, (n_sensors, 3))


def time_statistics(
    signals: Float[torch.Tensor, "B M T"], centred: Float[torch.Tensor, "B M T"]
) -> Float[torch.Tensor, "B M 11"]:
    """`TIME_NAMES` of each signal.

    Quantiles interpolate linearly, SD divides by T, kurtosis is that of Pearson (3 for a normal
    distribution), energy is the mean square.
    """
    # In the order of `TIME_NAMES`; one sort serves all five.
    levels = signals.new_tensor([0.0, 1.0, 0.5, 0.25, 0.75])
    deviation = centred.square().mean(-1).clamp_min(TINY).sqrt()
    # Divided before it is raised to the fourth power, which underflows for small signals.
    squared = (centred / deviation[..., None]).square()
    moments = [
        (squared * centred).mean(-1) / deviation,
        squared.square().mean(-1),
        signals.square().mean(-1),
        signals.diff(dim=-1).abs().mean(-1),
    ]
    return torch.cat(
        [
            torch.stack([signals.mean(-1), deviation], -1),
            sorted_quantiles(signals.sort(-1).values, levels),
            torch.stack(moments, -1),
        ],
        dim=-1,
    )


def sorted_quantiles(
    ordered: Float[torch.Tensor, "*batch T"], levels: Float[torch.Tensor, " Q"]
) -> Float[torch.Tensor, "*batch Q"]:
    """Quantiles of signals that are sorted along the last axis, interpolated linearly.

    Examples
    --------
    >>> sorted_quantiles(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.0, 0.5, 0.75, 1.0]))
    tensor([1., 2., 3., 4.])
    """
    positions = levels * (ordered.shape[-1] - 1)
    below = positions.long()
    above = positions.ceil().long()
    return torch.lerp(ordered[..., below], ordered[..., above], positions - below)


def spectrum_statistics(
    centred: Float[torch.Tensor, "B M T"], sample_rate: float
) -> Float[torch.Tensor, "B M 10"]:
    """`SPECTRUM_NAMES` of each signal, from its periodogram.

    With p the periodogram divided by its sum, the centroid is Σ f p in Hz, the entropy
    -Σ p log p / log n over the n bins. Peak power is in unit²/Hz, band power in unit².
    """
    power = periodogram(centred, sample_rate)
    frequencies = torch.arange(power.shape[-1]).to(power) * (sample_rate / centred.shape[-1])
    share = power / power.sum(-1, keepdim=True).clamp_min(TINY)
    shape = [
        share @ frequencies,
        frequencies[power.argmax(-1)],
        (power.amax(-1) + LOG_FLOOR).log(),
        torch.special.entr(share).sum(-1) / math.log(len(frequencies)),
    ]
    bands = power @ _band_members(frequencies) * (sample_rate / centred.shape[-1])
    return torch.cat([torch.stack(shape, -1), (bands + LOG_FLOOR).log()], -1)


def periodogram(
    centred: Float[torch.Tensor, "B M T"], sample_rate: float
) -> Float[torch.Tensor, "B M n_frequencies"]:
    """One-sided power spectral density |FFT(x)|² / (rate · T) in unit²/Hz, without a taper."""
    n_samples = centred.shape[-1]
    # Squares of both components, without the root that `abs` would take.
    spectrum = torch.view_as_real(torch.fft.rfft(centred))
    # Every bin stands for its mirror image too; bin 0 has none, but is 0 after centring.
    power = spectrum.square().sum(-1) * (2 / (sample_rate * n_samples))
    if n_samples % 2 == 0:
        power[..., -1] /= 2  # half the sample rate has no mirror image, unlike the bins below
    return power


def _band_members(frequencies: Float[torch.Tensor, " F"]) -> Float[torch.Tensor, "F n_bands"]:
    """1 where a frequency lies in a band, else 0."""
    edges = frequencies.new_tensor(BANDS)
    inside = (frequencies[:, None] >= edges[:, 0]) & (frequencies[:, None] < edges[:, 1])
    return inside.to(frequencies)


def axis_correlations(
    sensors: Float[torch.Tensor, "B n_sensors 3 T"],
) -> Float[torch.Tensor, "B n_correlations"]:
    """Correlations xy, xz, yz of each sensor; 0 where an axis is constant."""
    scale = sensors.square().mean(-1, keepdim=True).clamp_min(TINY).sqrt()
    z = sensors / scale
    pairs = z[:, :, (0, 0, 1)] * z[:, :, (1, 2, 2)]
    return pairs.mean(-1).flatten(1)
