"""Windows in, views whose amplitudes are changed out: noise, gains, biases."""

import math
from typing import Annotated, final

import torch
from jaxtyping import Float

from tsclr.augment.base import Augmentation, Quantity
from tsclr.augment.draws import integers, normal, precision, spline_basis
from tsclr.checks import in_range

__all__ = ["Drift", "Jitter", "MagnitudeWarp", "Offset", "Scale"]

_LARGEST_SD = 1e3


@final
class Jitter(Augmentation):
    """Add white noise, independent at every sample: ``x + sd · N(0, 1)``.

    On a CPU the noise takes 65,536 different values, see `white_noise`.

    Parameters
    ----------
    sd : float
        Standard deviation of the noise in the unit of the window (g, rad/s, µT).
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `sd` lies outside 0 to 1000.

    References
    ----------
    Um et al., "Data augmentation of wearable sensor data for Parkinson's disease monitoring using
    convolutional neural networks", ICMI 2017, section 3.

    Examples
    --------
    >>> noise = Jitter(sd=0.1)(torch.zeros(64, 6, 128))
    >>> round(noise.std().item(), 2)
    0.1
    """

    def __init__(self, sd: float = 0.05, p: float = 1.0) -> None:
        super().__init__(p)
        self.sd = in_range("sd", sd, 0.0, _LARGEST_SD)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Float[torch.Tensor, "B C T"], Quantity("noise in units of sd")]:
        """Draw the noise in units of `sd`."""
        return white_noise(x, generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B C T"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Add the noise."""
        return x.add(drawn.to(x.dtype), alpha=self.sd)


@final
class Scale(Augmentation):
    """Multiply each sensor by one gain with mean 1: ``x · (1 + sd · N(0, 1))``.

    The channels of a sensor share a gain, so a vector keeps its direction. Where channels have no
    names and C is no multiple of 3, each channel is a sensor.

    Parameters
    ----------
    sd : float
        Standard deviation of the gain. Above about 0.3 some gains are negative and turn gravity
        upside down.
    per_channel : bool
        Draw a gain for each channel of a sensor: sensors of unknown calibration.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `sd` lies outside 0 to 1000.

    References
    ----------
    Um et al., ICMI 2017, section 3. Several later implementations draw a gain with mean 2 for each
    time step, which is multiplicative noise; this one is a gain.

    Examples
    --------
    >>> view = Scale(sd=0.1)(torch.ones(1, 6, 4))[0]
    >>> torch.unique(view).shape  # one gain for acc, one for gyr
    torch.Size([2])
    """

    def __init__(self, sd: float = 0.1, per_channel: bool = False, p: float = 1.0) -> None:
        super().__init__(p)
        self.sd = in_range("sd", sd, 0.0, _LARGEST_SD)
        self.per_channel = per_channel

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Float[torch.Tensor, "B C"], Quantity("gain")]:
        """Draw the gain of each channel."""
        gains = normal(x, x.shape[1], mean=1.0, sd=self.sd, generator=generator)
        # There are at most as many sensors as channels: sensor k takes the k-th gain.
        return gains if self.per_channel else gains.index_select(1, self.sensors(x))

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Multiply by the gains."""
        return x * drawn[:, :, None].to(x.dtype)


@final
class MagnitudeWarp(Augmentation):
    """Multiply each sensor by a smooth gain curve with mean 1.

    The curve is the natural cubic spline through `knots` equally spaced values of
    ``1 + sd · N(0, 1)``, the first and last value at the ends of the window. The channels of a
    sensor share it, so vectors keep their direction. Where channels have no names and C is no
    multiple of 3, each channel is a sensor.

    Parameters
    ----------
    sd : float
        Standard deviation of the gain at the knots.
    knots : int
        Knots in the window, 2 to 64.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `sd` lies outside 0 to 1000 or `knots` outside 2 to 64.

    References
    ----------
    Um et al., ICMI 2017, section 3; there each channel has its own curve.

    Examples
    --------
    >>> view = MagnitudeWarp(sd=0.2, knots=4)(torch.ones(8, 3, 128))
    >>> bool((view[:, 0] == view[:, 2]).all())
    True
    """

    def __init__(self, sd: float = 0.2, knots: int = 4, p: float = 1.0) -> None:
        super().__init__(p)
        self.sd = in_range("sd", sd, 0.0, _LARGEST_SD)
        self.knots = in_range("knots", knots, 2, 64)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Float[torch.Tensor, "B C K"], Quantity("gain at the knots")]:
        """Draw the gains at the knots of each channel."""
        gains = normal(x, x.shape[1], self.knots, mean=1.0, sd=self.sd, generator=generator)
        return gains.index_select(1, self.sensors(x))

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B C K"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Multiply by the curves through the gains."""
        basis = spline_basis(x.shape[2], self.knots, drawn.dtype, x.device)
        return (drawn @ basis.T).to(x.dtype).mul_(x)


@final
class Offset(Augmentation):
    """Add one constant to each channel: ``x + sd · N(0, 1)``, the bias of an uncalibrated sensor.

    Parameters
    ----------
    sd : float
        Standard deviation of the constant, for each channel in its own unit: 0.05 is 0.05 g for
        an accelerometer and 0.05 rad/s (3 °/s) for a gyroscope, both common, and next to nothing
        for a magnetometer in µT.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `sd` lies outside 0 to 1000.

    References
    ----------
    The bias of El-Sheimy, Hou and Niu, "Analysis and modeling of inertial sensors using Allan
    variance", IEEE Transactions on Instrumentation and Measurement 57 (2008), over times in which
    it does not change.

    Examples
    --------
    >>> view = Offset(sd=0.1)(torch.zeros(1, 6, 128))[0]
    >>> bool((view == view[:, :1]).all()), torch.unique(view).shape
    (True, torch.Size([6]))
    """

    def __init__(self, sd: float = 0.05, p: float = 1.0) -> None:
        super().__init__(p)
        self.sd = in_range("sd", sd, 0.0, _LARGEST_SD)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Float[torch.Tensor, "B C"], Quantity("bias")]:
        """Draw the bias of each channel in its unit."""
        return normal(x, x.shape[1], sd=self.sd, generator=generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Add the biases."""
        return x + drawn[:, :, None].to(x.dtype)


@final
class Drift(Augmentation):
    """Add a slowly wandering bias, different in each channel.

    The bias is zero at the first sample and walks at random from there: each of `knots` equally
    spaced values is the one before plus ``sd / √(knots - 1) · N(0, 1)``, the last one at the last
    sample. Between them it follows the natural cubic spline.

    Parameters
    ----------
    sd : float
        Standard deviation of the bias at the last sample, for each channel in its own unit (g,
        rad/s, µT).
    knots : int
        Knots in the window, 2 to 64; with 2 the bias grows along a straight line.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `sd` lies outside 0 to 1000 or `knots` outside 2 to 64.

    References
    ----------
    The rate random walk of El-Sheimy, Hou and Niu, IEEE Transactions on Instrumentation and
    Measurement 57 (2008), with fewer steps than samples.

    Examples
    --------
    >>> bias = Drift(sd=0.1)(torch.zeros(5000, 3, 128))
    >>> bias[:, :, 0].abs().max().item(), round(bias[:, :, -1].std().item(), 2)
    (0.0, 0.1)
    """

    def __init__(self, sd: float = 0.1, knots: int = 4, p: float = 1.0) -> None:
        super().__init__(p)
        self.sd = in_range("sd", sd, 0.0, _LARGEST_SD)
        self.knots = in_range("knots", knots, 2, 64)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Float[torch.Tensor, "B C T"], Quantity("bias")]:
        """Draw the bias at every sample in the unit of the channel."""
        _, C, T = x.shape
        step = self.sd / math.sqrt(self.knots - 1)
        walk = normal(x, C, self.knots - 1, sd=step, generator=generator).cumsum(dim=2)
        # the first knot is zero
        return walk @ spline_basis(T, self.knots, walk.dtype, x.device)[:, 1:].T

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B C T"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Add the bias."""
        return x + drawn.to(x.dtype)


def normal_quantiles(n: int) -> Float[torch.Tensor, " n"]:
    """Equally likely values that stand for the standard normal distribution.

    They are its quantiles at ``(k + ½) / n``, scaled to variance 1.

    Examples
    --------
    >>> normal_quantiles(4)
    tensor([-1.3629, -0.3775,  0.3775,  1.3629])
    """
    # On the CPU whatever `torch.set_default_device` says: the table is made at import.
    middles = (torch.arange(n, dtype=torch.float64, device="cpu") + 0.5) / n
    quantiles = torch.special.ndtri(middles)
    return (quantiles / quantiles.square().mean().sqrt()).float()


_QUANTILES = normal_quantiles(2**16)


def white_noise(
    x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None
) -> Float[torch.Tensor, "B C T"]:
    """Draw standard normal noise for every sample.

    On a CPU, which takes long to draw normal values, 16 random bits choose one of 65,536 equally
    likely quantiles: mean 0, variance 1, no value beyond ±4.33, in half the time of
    ``torch.randn``. Other devices draw from the normal distribution itself.
    """
    _, C, T = x.shape
    if x.device.type != "cpu":
        return normal(x, C, T, generator=generator)
    # whole words for each window, and of the last one what is needed
    words = integers(x, -(2**63), 2**63 - 1, (C * T + 3) // 4, generator=generator)
    # `index_select` takes no uint16; int32 is half the memory of int64.
    level = words.view(torch.uint16)[:, : C * T].to(torch.int32)
    return _QUANTILES.index_select(0, level.flatten()).view_as(x).to(precision(x))
