"""Windows in, views of another analogue-to-digital converter out: its steps and its range."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple, final

import torch
from jaxtyping import Float

from tsclr.augment.base import Augmentation, Quantity
from tsclr.augment.channels import find_kinds
from tsclr.augment.draws import uniform

__all__ = ["Quantize", "Saturate"]


class Grid(NamedTuple):
    """The levels ``step · (k + phase)``, k an integer, that `Quantize` leaves to each channel."""

    step: Annotated[Float[torch.Tensor, "B C"], Quantity("step")]
    """In the unit of the channel; 0 where every value is allowed."""
    phase: Annotated[Float[torch.Tensor, "B C"], Quantity("phase")]
    """From 0 to 1."""


@final
class Quantize(Augmentation):
    """Round to the steps of a coarse converter: ``step · (round(x / step - phase) + phase)``.

    Each sensor of a window has one step, log-uniform between the finest and the coarsest of its
    kind; where the grid of levels lies is random for each channel. The defaults are converters of
    12 down to 8 bits over ±8 g, ±2000 °/s and ±1200 µT.

    Parameters
    ----------
    acc, gyr, mag : (finest, coarsest) or None
        Steps in g, rad/s and µT. ``None`` leaves sensors of the kind as they are, as are sensors
        of other kinds.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If steps are not positive and in order; on use, if there are steps for no channel.

    References
    ----------
    Bennett, "Spectra of quantized signals", Bell System Technical Journal 27 (1948).

    Examples
    --------
    >>> view = Quantize(acc=(0.5, 0.5))(torch.linspace(-1, 1, 128).expand(1, 3, 128))
    >>> torch.unique(view[0, 0]).diff()
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """

    def __init__(
        self,
        acc: Sequence[float] | None = (0.004, 0.0625),
        gyr: Sequence[float] | None = (0.017, 0.27),
        mag: Sequence[float] | None = (0.6, 9.4),
        p: float = 1.0,
    ) -> None:
        super().__init__(p)
        self.acc = _in_order("acc", acc)
        self.gyr = _in_order("gyr", gyr)
        self.mag = _in_order("mag", mag)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Grid:
        """Draw the step of each sensor and the phase of each channel."""
        bounds = {"acc": self.acc, "gyr": self.gyr, "mag": self.mag}
        step = _draw_log_uniform(self, x, bounds, 0.0, generator)
        return Grid(step, uniform(x, x.shape[1], generator=generator))

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Grid
    ) -> Float[torch.Tensor, "B C T"]:
        """Round to the nearest level."""
        step, phase = drawn.step[:, :, None], drawn.phase[:, :, None]
        is_coarse = step > 0
        level = (x / step.where(is_coarse, 1.0)).sub_(phase).round_()
        rounded = level.add_(phase).mul_(step).to(x.dtype)
        # lerp by 0 or 1 selects exactly, in a quarter of the time of where
        return torch.lerp(x, rounded, is_coarse.to(x.dtype))


@final
class Saturate(Augmentation):
    """Clip at the range of the sensor: ``max(-range, min(x, range))``.

    Each sensor of a window has one range, log-uniform between the lowest and the highest of its
    kind. The defaults are what common devices can be set to; a quiet window stays as it is.

    Parameters
    ----------
    acc, gyr, mag : (lowest, highest) or None
        Ranges in g, rad/s and µT. ``None`` leaves sensors of the kind as they are, as are sensors
        of other kinds. The defaults are ±2 to ±16 g, ±125 to ±2000 °/s and ±90 to ±4900 µT.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If ranges are not positive and in order; on use, if there are ranges for no channel.

    Examples
    --------
    >>> view = Saturate(acc=(2.0, 2.0))(torch.tensor([[[-9.0, 1.0], [3.0, 0.5], [0.0, 2.0]]]))
    >>> view
    tensor([[[-2.0000,  1.0000],
             [ 2.0000,  0.5000],
             [ 0.0000,  2.0000]]])
    """

    def __init__(
        self,
        acc: Sequence[float] | None = (2.0, 16.0),
        gyr: Sequence[float] | None = (2.18, 34.9),
        mag: Sequence[float] | None = (90.0, 4900.0),
        p: float = 1.0,
    ) -> None:
        super().__init__(p)
        self.acc = _in_order("acc", acc)
        self.gyr = _in_order("gyr", gyr)
        self.mag = _in_order("mag", mag)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Float[torch.Tensor, "B C"], Quantity("range")]:
        """Draw the range of each sensor, infinite where there is none."""
        bounds = {"acc": self.acc, "gyr": self.gyr, "mag": self.mag}
        return _draw_log_uniform(self, x, bounds, math.inf, generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Clip."""
        limit = drawn[:, :, None].to(x.dtype)
        # two tensors at once take four times as long
        return x.clamp(max=limit).clamp_(min=-limit)


def _in_order(kind: str, bounds: Sequence[float] | None) -> Sequence[float] | None:
    """Give back `bounds` if they are a lowest and a highest positive value, or None."""
    pair = isinstance(bounds, Sequence) and len(bounds) == 2
    if bounds is None or (pair and 0 < bounds[0] <= bounds[1] < math.inf):
        return bounds
    raise ValueError(
        f"{kind} is {bounds}, allowed is a lowest and a highest positive value, or None"
    )


def _draw_log_uniform(
    view: Augmentation,
    x: Float[torch.Tensor, "B C T"],
    bounds: Mapping[str, Sequence[float] | None],
    absent: float,
    generator: torch.Generator | None,
) -> Float[torch.Tensor, "B C"]:
    """Draw a value between the bounds of its kind for each sensor, `absent` where there are none.

    Its logarithm is uniform.
    """
    spans = [bounds.get(kind) for kind in find_kinds(view.channels, x.shape[1])]
    if not any(spans):
        raise ValueError(
            f"{type(view).__name__} needs a channel that measures one of "
            f"{', '.join(kind for kind in bounds if bounds[kind]) or 'none'}; windows have shape "
            f"{tuple(x.shape)} and channels {view.channels or 'without names'}: name them with "
            "for_channels, as in acc_x, or leave the view out"
        )
    luck = uniform(x, x.shape[1], generator=generator).index_select(1, view.sensors(x))
    ranges = [(span[0], math.log(span[1] / span[0])) if span else (absent, 0.0) for span in spans]
    lowest, extent = luck.new_tensor(ranges).unbind(dim=1)
    # `absent`, with an extent of 0, comes out as it went in.
    return luck.mul_(extent).exp_().mul_(lowest)
