"""Windows in, views with another spectrum out.

All but `Smooth` take the window for one period of an endless signal, as the Fourier transform does:
the jump from its last sample to its first is part of the spectrum, and what changes at one end
changes at the other.

With T samples there are ``T // 2`` bins from 1 on, bin k at k oscillations a window. Bin 0 is the
mean of the window, most of it gravity, and always stays. Settings are parts of the spectrum or
samples, not Hz: a view does not know the sample rate.
"""

import functools
import math
from typing import Annotated, final

import torch
from jaxtyping import Bool, Complex, Float, Int
from torch.nn.functional import conv2d

from tsclr.augment.base import Augmentation, Quantity
from tsclr.augment.channels import number_sensors
from tsclr.augment.draws import integers, normal, precision, uniform
from tsclr.checks import in_range

__all__ = ["AmplitudeNoise", "BandStop", "FrequencyMask", "PhaseNoise", "Smooth"]


@final
class Smooth(Augmentation):
    """Average each sample with its neighbours: a low-pass filter as slow sensors have.

    The weights are a Hann kernel, ``cos²(π k / 2w)`` for the neighbours at a distance of k < w
    samples, divided by their sum. Its width w at half its height is uniform over the sixteenths of
    a sample from 1, which changes nothing, to `max_width`. At a sample rate f it halves
    oscillations of ``f / 2w`` and removes those of ``f / w``, exactly so for whole w from 2 on. At
    both ends the window is continued by its mirror image, as SciPy's filters do:
    ``b a | a b c … x y z | z y``.

    Parameters
    ----------
    max_width : int
        Largest width of the kernel at half its height in samples, 2 to 64.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `max_width` lies outside 2 to 64.

    References
    ----------
    Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform",
    Proceedings of the IEEE 66 (1978), for the kernel.

    Examples
    --------
    >>> kernel = torch.tensor([[0.25, 0.5, 0.25]])
    >>> Smooth().transform(torch.tensor([[[4.0, 0.0, 0.0, 8.0]]]), kernel)
    tensor([[[3., 1., 2., 6.]]])
    """

    def __init__(self, max_width: int = 4, p: float = 1.0) -> None:
        super().__init__(p)
        self.max_width = in_range("max_width", max_width, 2, 64)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Float[torch.Tensor, "B K"], Quantity("kernel")]:
        """Draw the kernels: K is odd, each is symmetric and sums to 1."""
        # torch.compile warns that it looks through a cache
        build = _build_kernels if torch.compiler.is_compiling() else _kept_kernels
        kernels = build(self.max_width, precision(x), x.device)
        return kernels.index_select(0, integers(x, 0, len(kernels), generator=generator))

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B K"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Convolve each window with its kernel."""
        if not len(x):
            return x  # a convolution has at least one group
        signal = _mirror(x.to(drawn.dtype), drawn.shape[1] // 2)
        # each window is a group, its channels are the rows of an image
        return conv2d(signal[None], drawn[:, None, None], groups=len(x))[0].to(x.dtype)


@final
class FrequencyMask(Augmentation):
    """Remove random bins of the spectrum, the same in all channels.

    Parameters
    ----------
    rate : float
        Probability that a bin is removed; the mean of the window always stays.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `rate` lies outside 0 to 1.

    References
    ----------
    M. Chen et al., "FrAug: frequency domain augmentation for time series forecasting", 2023,
    arXiv 2302.09292, and X. Zhang et al., "Self-supervised contrastive pre-training for time series
    via time-frequency consistency", NeurIPS 2022. There each channel loses bins of its own, and may
    lose its mean.

    Examples
    --------
    >>> FrequencyMask(rate=1.0)(torch.tensor([[[1.0, 2.0, 6.0, 3.0]]]))
    tensor([[[3., 3., 3., 3.]]])
    """

    def __init__(self, rate: float = 0.2, p: float = 1.0) -> None:
        super().__init__(p)
        self.rate = in_range("rate", rate, 0.0, 1.0)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Bool[torch.Tensor, "B bins"], Quantity("frequency bins kept")]:
        """Draw which bins from 1 on are kept."""
        return uniform(x, x.shape[2] // 2, generator=generator) >= self.rate

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Bool[torch.Tensor, "B bins"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Set the other bins to 0."""
        return _multiply_bins(x, drawn[:, None])


@final
class BandStop(Augmentation):
    """Remove one band of the spectrum at a random place, the same in all channels.

    Parameters
    ----------
    fraction : float
        Width of the band as a part of the ``T // 2`` bins from 1 on, rounded to bins; the mean of
        the window always stays.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `fraction` lies outside 0 to 1.

    References
    ----------
    The frequency masking of Park et al., "SpecAugment: a simple data augmentation method for
    automatic speech recognition", Interspeech 2019, section 2; there the width of the band is
    random, and bands are those of a mel spectrogram.

    Examples
    --------
    >>> time = torch.arange(64.0)
    >>> waves = torch.stack([(k * math.pi / 32 * time).cos() for k in (5, 9)])  # bins 5 and 9
    >>> view = BandStop(fraction=4 / 32).transform(waves[None], torch.tensor([6]))  # not 6 to 9
    >>> view[0].square().mean(dim=1).round(decimals=4)
    tensor([0.5000, 0.0000])
    """

    def __init__(self, fraction: float = 0.2, p: float = 1.0) -> None:
        super().__init__(p)
        self.fraction = in_range("fraction", fraction, 0.0, 1.0)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Int[torch.Tensor, " B"], Quantity("first frequency bin of the band")]:
        """Draw the first bin of the band."""
        return integers(x, 1, x.shape[2] // 2 - self._width(x) + 2, generator=generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Int[torch.Tensor, " B"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Set the bins of the band to 0."""
        above = torch.arange(1, x.shape[2] // 2 + 1, device=x.device) - drawn[:, None]
        return _multiply_bins(x, ((above < 0) | (above >= self._width(x)))[:, None])

    def _width(self, x: Float[torch.Tensor, "B C T"]) -> int:
        return round(self.fraction * (x.shape[2] // 2))


@final
class PhaseNoise(Augmentation):
    """Shift each oscillation in time: turn the phase of every bin by ``sd · N(0, 1)``.

    All channels of a window turn alike. They share a clock, and how their phases lie to each other
    is the direction of the movement. The amplitudes stay, and with them the energy of the window.
    The mean stays, as does the highest bin where T is even: they have no phase.

    Parameters
    ----------
    sd : float
        Standard deviation of the phase in radians. From about 3 on all phases are equally likely.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `sd` lies outside 0 to 10.

    References
    ----------
    Gao et al., "RobustTAD: robust time series anomaly detection via decomposition and convolutional
    neural networks", 2020, arXiv 2002.09545, where parts of the spectrum are changed. Phases that
    channels share: Prichard and Theiler, "Generating surrogate data for time series with several
    simultaneously measured variables", Physical Review Letters 73 (1994).

    Examples
    --------
    >>> x = torch.randn(8, 6, 128)
    >>> view = PhaseNoise()(x)
    >>> torch.testing.assert_close(view.square().sum(dim=2), x.square().sum(dim=2))
    """

    def __init__(self, sd: float = 0.5, p: float = 1.0) -> None:
        super().__init__(p)
        self.sd = in_range("sd", sd, 0.0, 10.0)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Float[torch.Tensor, "B bins"], Quantity("phase shift", "angle")]:
        """Draw the turn in radians of each bin from 1 on that has a phase."""
        # A turned highest bin would not be real, and the inverse transform would drop what is not.
        return normal(x, (x.shape[2] - 1) // 2, sd=self.sd, generator=generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B bins"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Turn the phases."""
        return _multiply_bins(x, torch.complex(drawn.cos(), drawn.sin())[:, None])


@final
class AmplitudeNoise(Augmentation):
    """Multiply each bin of each sensor by a gain with mean 1: ``1 + sd · N(0, 1)``.

    The channels of a sensor share the gains, so oscillations keep their direction. Where channels
    have no names and C is no multiple of 3, each channel is a sensor.

    Parameters
    ----------
    sd : float
        Standard deviation of the gain; the mean of the window always stays. A negative gain turns
        the phase by half a period.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `sd` lies outside 0 to 1000.

    References
    ----------
    Gao et al., "RobustTAD", 2020, arXiv 2002.09545; there the amplitudes of a part of the spectrum
    are replaced by normal values with the mean and the variance of that part.

    Examples
    --------
    >>> wave = (math.pi / 8 * torch.arange(64.0)).sin()
    >>> view = AmplitudeNoise(sd=0.2)(torch.stack([3 * wave, 2 * wave, wave])[None])[0]
    >>> torch.testing.assert_close(view[0], 3 * view[2])
    """

    def __init__(self, sd: float = 0.2, p: float = 1.0) -> None:
        super().__init__(p)
        self.sd = in_range("sd", sd, 0.0, 1e3)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Float[torch.Tensor, "B C bins"], Quantity("gain")]:
        """Draw the gain of each bin from 1 on, in each channel."""
        n_sensors = 1 + max(number_sensors(self.channels, x.shape[1]))
        n_bins = x.shape[2] // 2
        gains = normal(x, n_sensors, n_bins, mean=1.0, sd=self.sd, generator=generator)
        return gains.index_select(1, self.sensors(x))

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B C bins"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Multiply by the gains."""
        return _multiply_bins(x, drawn)


def _build_kernels(
    max_width: int, dtype: torch.dtype, device: torch.device
) -> Float[torch.Tensor, "widths K"]:
    """Hann kernels of all widths that `Smooth` chooses from."""
    steps = 16 * (max_width - 1) + 1
    width = torch.linspace(1, max_width, steps, dtype=dtype, device=device)[:, None]
    distance = torch.arange(1 - max_width, max_width, dtype=dtype, device=device)
    kernels = (math.pi / 2 * (distance / width).clamp(-1, 1)).cos().square()
    return kernels / kernels.sum(dim=1, keepdim=True)


_kept_kernels = functools.lru_cache(maxsize=16)(_build_kernels)


def _mirror(x: Float[torch.Tensor, "B C T"], reach: int) -> Float[torch.Tensor, "B C S"]:
    """Continue the windows by `reach` samples at both ends, mirrored as often as it takes."""
    while reach > 0:
        T = x.shape[2]
        n = min(reach, T)
        x = torch.cat([x[:, :, :n].flip(2), x, x[:, :, T - n :].flip(2)], dim=2)
        reach -= n
    return x


def _multiply_bins(
    x: Float[torch.Tensor, "B C T"],
    factors: Bool[torch.Tensor, "B _ bins"]
    | Float[torch.Tensor, "B _ bins"]
    | Complex[torch.Tensor, "B _ bins"],
) -> Float[torch.Tensor, "B C T"]:
    """Multiply the bins of the spectrum from 1 on; bins after the last factor stay as they are."""
    if not len(x):
        return x  # the transform of an empty batch fails
    spectrum = torch.fft.rfft(x.to(precision(x)))  # half precision has no transform
    spectrum[:, :, 1 : 1 + factors.shape[2]].mul_(factors)
    return torch.fft.irfft(spectrum, n=x.shape[2]).to(x.dtype)
