"""Windows in, views read at other moments out: stretched, bent, resampled; one clock for all."""

from typing import Annotated, NamedTuple, final

import torch
from jaxtyping import Float
from torch.nn.functional import pad

from tsclr.augment.base import Augmentation, Quantity
from tsclr.augment.draws import normal, spline_basis, uniform
from tsclr.checks import in_range

__all__ = ["Crop", "Resample", "TimeWarp"]


class Span(NamedTuple):
    """The span of each window that `Crop` keeps, in sampling intervals."""

    start: Annotated[Float[torch.Tensor, " B"], Quantity("start in samples")]
    extent: Annotated[Float[torch.Tensor, " B"], Quantity("length in samples")]


class Sampling(NamedTuple):
    """When the device that `Resample` imagines takes its samples."""

    rate: Annotated[Float[torch.Tensor, " B"], Quantity("relative sampling rate")]
    """Relative to the rate of the window."""
    phase: Annotated[Float[torch.Tensor, " B"], Quantity("phase")]
    """Its first sample in the window, in its sampling intervals after the first of the window."""
    error: Annotated[Float[torch.Tensor, " B"], Quantity("clock error")]
    """Relative error of its clock: how much longer a second lasts on it."""


@final
class Crop(Augmentation):
    """Keep a random span of the window and stretch it over the whole length.

    The span is shared by all channels and read by linear interpolation. Stretching slows the
    movement down by up to ``1 / min_fraction``.

    Parameters
    ----------
    min_fraction : float
        Shortest span as a part of the window; the span is uniform from there to 1, its place
        uniform in the window.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `min_fraction` lies outside 0 to 1.

    References
    ----------
    Um et al., ICMI 2017, section 3, and the resized crop of Chen et al., "A simple framework for
    contrastive learning of visual representations", ICML 2020, appendix A.

    Examples
    --------
    >>> view = Crop(min_fraction=0.5)(torch.linspace(0, 1, 128).expand(64, 3, 128))
    >>> bool((view[:, 0, -1] - view[:, 0, 0]).min() >= 0.49)
    True
    """

    def __init__(self, min_fraction: float = 0.7, p: float = 1.0) -> None:
        super().__init__(p)
        self.min_fraction = in_range("min_fraction", min_fraction, 0.0, 1.0)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Span:
        """Draw the span to keep."""
        longest = x.shape[2] - 1
        shorter, share = uniform(x, 2, generator=generator).unbind(dim=1)
        extent = longest * (1 - (1 - self.min_fraction) * shorter)
        return Span((longest - extent) * share, extent)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Span
    ) -> Float[torch.Tensor, "B C T"]:
        """Stretch the span over the window."""
        start, extent = drawn
        steps = torch.linspace(0, 1, x.shape[2], dtype=extent.dtype, device=x.device)
        return interpolate(x, start[:, None] + extent[:, None] * steps)


@final
class TimeWarp(Augmentation):
    """Bend time smoothly: the wearer moves a little faster here, a little slower there.

    The logarithm of the speed is the natural cubic spline through `knots` equally spaced values of
    ``strength · N(0, 1)``; see `time_map`. All channels are read along the same map, by linear
    interpolation.

    Parameters
    ----------
    strength : float
        Standard deviation of the logarithm of the speed at the knots: 0.2 is about 20 % faster or
        slower.
    knots : int
        Knots in the window, 2 to 64.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `strength` lies outside 0 to 10 or `knots` outside 2 to 64.

    References
    ----------
    Um et al., ICMI 2017, section 3; there the speed itself is the spline, which may run backward.

    Examples
    --------
    >>> view = TimeWarp()(torch.arange(128.0).expand(4, 3, 128))
    >>> bool((view.diff(dim=2) > 0).all()), view[0, 0, 0].item(), view[0, 0, -1].item()
    (True, 0.0, 127.0)
    """

    def __init__(self, strength: float = 0.2, knots: int = 4, p: float = 1.0) -> None:
        super().__init__(p)
        self.strength = in_range("strength", strength, 0.0, 10.0)
        self.knots = in_range("knots", knots, 2, 64)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Float[torch.Tensor, "B T"], Quantity("samples read")]:
        """Draw the time map: where, in samples, each sample of the view is read."""
        log_speed = self.strength * normal(x, self.knots, generator=generator)
        return time_map(log_speed, x.shape[2])

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B T"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Read the window along the time map."""
        return interpolate(x, drawn)


@final
class Resample(Augmentation):
    """Record the window with another device: a slower rate, a clock that is a little off.

    The device takes samples at a `rate` below ours, with a random phase, and its clock is off by
    ``ε = clock · N(0, 1)``: sample k, which it dates ``t = (k + phase) / rate``, it takes at
    ``m + (t - m)(1 + ε)``, m the middle of the window, by linear interpolation of the window. The
    view is that recording on our grid, again by linear interpolation. Outside the window lies its
    mirror image at the edge. There is no anti-alias filter, as in cheap devices.

    Parameters
    ----------
    clock : float
        Standard deviation of the relative error of the clock.
    min_rate : float
        Slowest rate as a part of ours; the rate is uniform from there to 1.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `clock` lies outside 0 to 0.2 or `min_rate` outside 0.01 to 1.

    References
    ----------
    That devices of one model differ so is measured in Stisen et al., "Smart devices are different:
    assessing and mitigating mobile sensing heterogeneities for activity recognition", SenSys 2015.

    Examples
    --------
    >>> in_time = Sampling(torch.tensor([0.5]), torch.tensor([0.0]), torch.tensor([0.0]))
    >>> Resample().transform(torch.tensor([[[0.0, 9.0, 2.0, 9.0, 4.0]]]), in_time)
    tensor([[[0., 1., 2., 3., 4.]]])
    """

    def __init__(self, clock: float = 0.02, min_rate: float = 0.5, p: float = 1.0) -> None:
        super().__init__(p)
        self.clock = in_range("clock", clock, 0.0, 0.2)
        self.min_rate = in_range("min_rate", min_rate, 0.01, 1.0)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Sampling:
        """Draw rate, phase and error of the clock."""
        slower, phase = uniform(x, 2, generator=generator).unbind(dim=1)
        error = self.clock * normal(x, generator=generator)
        return Sampling(1 - (1 - self.min_rate) * slower, phase, error)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Sampling
    ) -> Float[torch.Tensor, "B C T"]:
        """Record the window with the device and read the recording on our grid."""
        rate, phase, error = (value[:, None] for value in drawn)
        last = x.shape[2] - 1
        # one sample before the first and one after the last: enough for every phase and rate
        number = torch.arange(-1, last + 2, dtype=rate.dtype, device=x.device)
        dated = (number + phase) / rate
        taken = last / 2 + (dated - last / 2) * (1 + error)
        recording = interpolate(x, _mirrored(taken, last))
        return interpolate(recording, number[1:-1] * rate - phase + 1)


def time_map(
    log_speed: Float[torch.Tensor, "B K"], length: int
) -> Float[torch.Tensor, "B {length}"]:
    """Position of each sample on a clock that runs at a smoothly changing speed.

    The logarithm of the speed is the natural cubic spline through the values at equally spaced
    knots. The map is its integral, scaled so that the first and the last sample stay where they
    are; it never runs backward.

    Examples
    --------
    >>> time_map(torch.tensor([[0.0, 0.0, 0.0]]), 5)
    tensor([[0., 1., 2., 3., 4.]])
    """
    basis = spline_basis(length - 1, log_speed.shape[1], log_speed.dtype, log_speed.device)
    # The softmax is the speed, scaled to a sum of 1, without overflow for large logarithms.
    elapsed = (log_speed @ basis.T).softmax(dim=1).cumsum(dim=1)
    # the rounded sum is not exactly 1, the last sample must be exactly the last
    return pad((length - 1) * (elapsed / elapsed[:, -1:]), (1, 0))


def interpolate(
    x: Float[torch.Tensor, "B C T"], position: Float[torch.Tensor, "B n_read"]
) -> Float[torch.Tensor, "B C n_read"]:
    """Read windows at fractional positions, linearly between neighbours.

    Examples
    --------
    >>> interpolate(torch.tensor([[[0.0, 10.0, 40.0]]]), torch.tensor([[0.5, 1.0, 2.0]]))
    tensor([[[ 5., 10., 40.]]])
    """
    # The last sample is read as the end of the last interval, with weight 1.
    before = position.long().clamp_(max=x.shape[2] - 2)
    weight = (position - before).to(x.dtype)
    index = before[:, None].expand(-1, x.shape[1], -1)
    # in place on the fresh tensor: a third less memory to touch
    return x.gather(2, index).lerp_(x[:, :, 1:].gather(2, index), weight[:, None])


def _mirrored(position: Float[torch.Tensor, "B n"], last: int) -> Float[torch.Tensor, "B n"]:
    """Position in the window that shows what lies at `position`, reflected at its ends."""
    return last - (position.remainder(2 * last) - last).abs()
