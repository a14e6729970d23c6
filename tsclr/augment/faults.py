"""Windows in, views with missing samples out, as of a broken or badly connected device."""

from typing import Annotated, final

import torch
from jaxtyping import Bool, Float, Int

from tsclr.augment.base import Augmentation, Quantity
from tsclr.augment.draws import integers, precision, uniform
from tsclr.checks import in_range

__all__ = ["ChannelDropout", "SampleDropout", "SensorDropout", "TimeMask"]


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
    ) -> Annotated[Bool[torch.Tensor, "B C"], Quantity("channels kept")]:
        """Draw the channels to keep."""
        return _survives(uniform(x, x.shape[1], generator=generator), self.rate)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Bool[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Set the other channels to 0."""
        return x * drawn[:, :, None]


@final
class SensorDropout(Augmentation):
    """Set whole sensors to 0, as if they were switched off. At least one sensor is kept.

    Where channels have no names and C is no multiple of 3, each channel is a sensor.

    Parameters
    ----------
    rate : float
        Probability that a sensor is set to 0. The others are not scaled up.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `rate` lies outside 0 to 1.

    References
    ----------
    Neverova et al., "ModDrop: adaptive multi-modal gesture recognition", IEEE Transactions on
    Pattern Analysis and Machine Intelligence 38 (2016); there all sensors can be dropped at once.

    Examples
    --------
    >>> view = SensorDropout(rate=1.0)(torch.ones(5, 6, 8))
    >>> view.mean(dim=2).sum(dim=1)
    tensor([3., 3., 3., 3., 3.])
    """

    def __init__(self, rate: float = 0.5, p: float = 1.0) -> None:
        super().__init__(p)
        self.rate = in_range("rate", rate, 0.0, 1.0)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Bool[torch.Tensor, "B C"], Quantity("channels kept")]:
        """Draw the channels to keep, those of a sensor together."""
        luck = uniform(x, x.shape[1], generator=generator)
        return _survives(luck.index_select(1, self.sensors(x)), self.rate)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Bool[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Set the other channels to 0."""
        return x * drawn[:, :, None]


@final
class SampleDropout(Augmentation):
    """Lose radio packets: runs of samples in all channels, filled from what arrived.

    The samples are sent in packets of equal length; where the first packet of the window began is
    random. Each packet is lost on its own. At least one packet arrives. What is lost before the
    first sample that arrives takes the value of that sample, and with ``fill="linear"`` what is
    lost after the last one takes the value of the last.

    Parameters
    ----------
    rate : float
        Probability that a packet is lost.
    packet : int
        Samples in a packet, 1 to 4096. The smallest packet of Bluetooth Low Energy carries 20
        bytes, three samples of an accelerometer at 16 bits.
    fill : {"hold", "linear"}
        Repeat the last value that arrived, or interpolate to the next one that does.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `rate` lies outside 0 to 1, `packet` outside 1 to 4096, or there is no such `fill`.

    References
    ----------
    Losses without memory, the simplest case of Gilbert, "Capacity of a burst-noise channel", Bell
    System Technical Journal 39 (1960).

    Examples
    --------
    >>> arrives = torch.tensor([[False, True, False, True]])
    >>> x = torch.tensor([[[10.0, 20.0, 30.0, 40.0]]])
    >>> SampleDropout(fill="hold").transform(x, arrives)
    tensor([[[20., 20., 20., 40.]]])
    """

    def __init__(
        self, rate: float = 0.2, packet: int = 3, fill: str = "hold", p: float = 1.0
    ) -> None:
        super().__init__(p)
        self.rate = in_range("rate", rate, 0.0, 1.0)
        self.packet = in_range("packet", packet, 1, 4096)
        if fill not in ("hold", "linear"):
            raise ValueError(f"fill is {fill!r}, allowed are 'hold' and 'linear'")
        self.fill = fill

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Bool[torch.Tensor, "B T"], Quantity("samples that arrive")]:
        """Draw the samples that arrive."""
        T = x.shape[2]
        phase = integers(x, 0, self.packet, 1, generator=generator)
        # division as numbers with a point is exact here and a third of the time of //
        number = ((torch.arange(T, device=x.device) + phase) / self.packet).long()
        # Enough for the largest phase, packet - 1.
        n_packets = (T + self.packet - 2) // self.packet + 1
        luck = uniform(x, n_packets, generator=generator)
        return _survives(luck.gather(1, number), self.rate)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Bool[torch.Tensor, "B T"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Fill the samples that are lost."""
        before = _latest(drawn)
        held = x.gather(2, before[:, None].expand_as(x))
        if self.fill == "hold":
            return held
        T = x.shape[2]
        after = T - 1 - _latest(drawn.flip(1)).flip(1)
        time = torch.arange(T, dtype=precision(x), device=x.device)
        weight = (time - before) / (after - before).clamp(min=1)
        # in place on the fresh tensor: a third less memory to touch
        return held.lerp_(x.gather(2, after[:, None].expand_as(x)), weight[:, None].to(x.dtype))


@final
class TimeMask(Augmentation):
    """Blank a random span of the window in all channels, as a drop-out of the radio link would.

    The span takes the mean of each channel over the window. Zero would be a jump of the size of
    gravity, which an encoder can spot in any accelerometer window.

    Parameters
    ----------
    fraction : float
        Length of the span as a part of the window, rounded to samples.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `fraction` lies outside 0 to 1.

    References
    ----------
    The time masking of Park et al., "SpecAugment: a simple data augmentation method for automatic
    speech recognition", Interspeech 2019, section 2; there the length of the span is random.

    Examples
    --------
    >>> view = TimeMask(fraction=0.25)(torch.tensor([[[0.0, 2.0] * 4]]))
    >>> int((view == 1.0).sum())
    2
    """

    def __init__(self, fraction: float = 0.2, p: float = 1.0) -> None:
        super().__init__(p)
        self.fraction = in_range("fraction", fraction, 0.0, 1.0)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Int[torch.Tensor, " B"], Quantity("first sample of the span")]:
        """Draw the first sample of the span."""
        return integers(x, 0, x.shape[2] - self._extent(x) + 1, generator=generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Int[torch.Tensor, " B"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Set the span to the mean of each channel."""
        B, _, T = x.shape
        span = drawn[:, None] + torch.arange(self._extent(x), device=x.device)
        blank = x.new_zeros(B, T).scatter_(1, span, 1.0)
        # lerp by 0 or 1 selects exactly, in a quarter of the time of where
        return torch.lerp(x, x.mean(dim=2, keepdim=True), blank[:, None])

    def _extent(self, x: Float[torch.Tensor, "B C T"]) -> int:
        return round(self.fraction * x.shape[2])


def _survives(luck: Float[torch.Tensor, "B n"], rate: float) -> Bool[torch.Tensor, "B n"]:
    """Channels whose random value reaches `rate`, and at least the one with the largest."""
    return luck >= luck.amax(dim=1, keepdim=True).clamp_(max=rate)


def _latest(arrives: Bool[torch.Tensor, "B T"]) -> Int[torch.Tensor, "B T"]:
    """Index of the latest sample that has arrived by each sample; the first one before that."""
    time = torch.arange(arrives.shape[1], device=arrives.device)
    latest = torch.where(arrives, time, -1).cummax(dim=1).values
    # `argmax` takes no bool, and gives the first of equal values.
    first = arrives.view(torch.uint8).argmax(dim=1, keepdim=True)
    return latest.maximum(first)
