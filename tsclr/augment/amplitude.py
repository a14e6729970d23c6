"""Windows in, views whose amplitudes are changed out: noise, gains, dead channels."""

from typing import final

import torch
from jaxtyping import Bool, Float

from tsclr.augment.base import Augmentation, in_range, normal, spline_basis, uniform

_LARGEST_SD = 1e3


@final
class Jitter(Augmentation):
    """Add white noise, independent at every sample: ``x + sd · N(0, 1)``.

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
    ) -> Float[torch.Tensor, "B C T"]:
        """Draw the noise in units of `sd`."""
        return normal(x, *x.shape[1:], generator=generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B C T"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Add the noise."""
        return x.add(drawn.to(x.dtype), alpha=self.sd)


@final
class Scale(Augmentation):
    """Multiply each sensor by one gain with mean 1: ``x · (1 + sd · N(0, 1))``.

    The three channels of a sensor share a gain, so a vector keeps its direction. Where the channels
    do not form triads (C is no multiple of 3) each channel has its own gain.

    Parameters
    ----------
    sd : float
        Standard deviation of the gain. Above about 0.3 some gains are negative and turn gravity
        upside down.
    per_channel : bool
        Draw a gain for each channel also where they form triads: sensors of unknown calibration.
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
    ) -> Float[torch.Tensor, "B S"]:
        """Draw one gain per sensor or channel."""
        n_gains = x.shape[1] if self.per_channel else _n_sensors(x)
        return 1 + self.sd * normal(x, n_gains, generator=generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B S"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Multiply by the gains."""
        return _amplify(x, drawn[:, :, None])


@final
class MagnitudeWarp(Augmentation):
    """Multiply each sensor by a smooth gain curve with mean 1.

    The curve is the natural cubic spline through `knots` equally spaced values of
    ``1 + sd · N(0, 1)``, the first and last value at the ends of the window. The three channels of
    a sensor share it, so vectors keep their direction; where the channels do not form triads each
    has its own.

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
    Um et al., ICMI 2017, section 3; there each channel has a curve of its own.

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
    ) -> Float[torch.Tensor, "B S K"]:
        """Draw the gains at the knots of every sensor."""
        return 1 + self.sd * normal(x, _n_sensors(x), self.knots, generator=generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B S K"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Multiply by the curves through the gains."""
        basis = spline_basis(x.shape[2], self.knots, drawn.dtype, x.device)
        return _amplify(x, drawn @ basis.T)


@final
class ChannelDropout(Augmentation):
    """Set channels to 0, as if an axis were dead. At least one channel is kept.

    Parameters
    ----------
    rate : float
        Probability that a channel is set to 0. The others are not scaled up.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `rate` lies outside 0 to 1.

    Examples
    --------
    >>> view = ChannelDropout(rate=1.0)(torch.ones(5, 6, 8))
    >>> view.mean(dim=2).sum(dim=1)
    tensor([1., 1., 1., 1., 1.])
    """

    def __init__(self, rate: float = 0.2, p: float = 1.0) -> None:
        super().__init__(p)
        self.rate = in_range("rate", rate, 0.0, 1.0)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Bool[torch.Tensor, "B C"]:
        """Draw the channels to keep; the luckiest always is."""
        luck = uniform(x, x.shape[1], generator=generator)
        return (luck >= self.rate) | (luck == luck.amax(dim=1, keepdim=True))

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Bool[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Set the other channels to 0."""
        return x * drawn[:, :, None]


def _n_sensors(x: Float[torch.Tensor, "B C T"]) -> int:
    """Count the triads; without whole triads every channel is a sensor of its own."""
    n_channels = x.shape[1]
    return n_channels if n_channels % 3 else n_channels // 3


def _amplify(
    x: Float[torch.Tensor, "B C T"], gains: Float[torch.Tensor, "B S _"]
) -> Float[torch.Tensor, "B C T"]:
    """Multiply the channels of each sensor by its gain or curve."""
    by_sensor = x.unflatten(1, (gains.shape[1], -1))
    return (by_sensor * gains[:, :, None].to(x.dtype)).flatten(1, 2)
