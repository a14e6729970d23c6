"""Windows in, views with shuffled or negated axes out: unphysical, but used for comparison."""

from typing import Annotated, final

import torch
from jaxtyping import Float, Int

from tsclr.augment.base import Augmentation, Quantity
from tsclr.augment.draws import uniform

__all__ = ["ChannelShuffle", "Negate"]


@final
class ChannelShuffle(Augmentation):
    """Put the channels of a window in random order, all orders equally likely.

    No device does this: it takes the acceleration of one axis for the rate of turn of another. It
    is here because pretext tasks and comparisons use it; `MountFlip` and `Rotate` are the physical
    counterparts. The order may be the original one, which happens once in C factorial.

    Parameters
    ----------
    p : float
        Probability per window.

    References
    ----------
    Saeed, Ozcelebi and Lukkien, "Multi-task self-supervised learning for human activity detection",
    IMWUT 3 (2019).

    Examples
    --------
    >>> view = ChannelShuffle()(torch.arange(4.0)[:, None].expand(1, 4, 2))
    >>> view[0, :, 0].sort().values
    tensor([0., 1., 2., 3.])
    """

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Int[torch.Tensor, "B C"], Quantity("index of the channel shown")]:
        """Draw the channel that each channel shows."""
        return uniform(x, x.shape[1], generator=generator).argsort(dim=1)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Int[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Take the channels in that order."""
        return x.gather(1, drawn[:, :, None].expand_as(x))


@final
class Negate(Augmentation):
    """Change the sign of every value: ``-x``.

    No way of wearing a device does this: reversing all three axes is no rotation, and the gyroscope
    would keep its sign. It is here because pretext tasks and comparisons use it; `Mirror` and
    `MountFlip` are the physical counterparts.

    Parameters
    ----------
    p : float
        Probability per window; at 1 every window is negated, ½ suits most pipelines.

    References
    ----------
    Saeed, Ozcelebi and Lukkien, "Multi-task self-supervised learning for human activity detection",
    IMWUT 3 (2019).

    Examples
    --------
    >>> Negate()(torch.ones(1, 1, 2))
    tensor([[[-1., -1.]]])
    """

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> tuple[()]:
        """Draw nothing: there is one way to negate."""
        return ()

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: tuple[()]
    ) -> Float[torch.Tensor, "B C T"]:
        """Change the signs."""
        return -x
