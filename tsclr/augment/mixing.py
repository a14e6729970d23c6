"""Windows in, views that mix two windows of the batch out, and the targets that say how much.

The objective has to know the mix, so these views stand alone and not in a pipeline::

    gated = mixup.draw_gated(x)
    views = mixup.transform_gated(x, gated)
    targets = soft_targets(gated)  # how much of window j is in view i
"""

from typing import Annotated, NamedTuple, final

import torch
from jaxtyping import Float, Int

from tsclr.augment.base import Augmentation, Gated, Quantity
from tsclr.augment.draws import integers, precision, uniform
from tsclr.checks import in_range

__all__ = ["CutMix", "Mixup", "soft_targets"]


class Mix(NamedTuple):
    """What `Mixup` blends each window with."""

    partner: Annotated[Int[torch.Tensor, " B"], Quantity("index of the partner")]
    """Index of another window in the batch."""
    share: Annotated[Float[torch.Tensor, " B"], Quantity("share of the partner")]
    """Of the partner in the view, 0 to 1."""


class Cut(NamedTuple):
    """What `CutMix` puts into each window."""

    partner: Annotated[Int[torch.Tensor, " B"], Quantity("index of the partner")]
    """Index of another window in the batch."""
    share: Annotated[Float[torch.Tensor, " B"], Quantity("share of the partner")]
    """Of the partner in the view, a whole number of samples divided by T."""
    start: Annotated[Int[torch.Tensor, " B"], Quantity("first sample of the span")]
    """First sample that comes from the partner."""


@final
class Mixup(Augmentation):
    """Blend each window with another one: ``(1 - share) · window + share · partner``.

    Partners are a random permutation of the batch, in which on average one window is its own. The
    share is uniform from 0 to `max_share`. Gravity is blended as well: between two devices that sit
    differently it becomes shorter than 1 g.

    Parameters
    ----------
    max_share : float
        Largest share of the partner. Up to ½ the window itself is the larger part.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `max_share` lies outside 0 to 1.

    References
    ----------
    H. Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018; without labels: Lee
    et al., "i-Mix: a domain-agnostic strategy for contrastive representation learning", ICLR 2021,
    and Kim et al., "MixCo: mix-up contrastive learning for visual representation", 2020, arXiv
    2010.06300. Departure: mixup draws weights from a Beta(α, α), for which torch takes no
    generator. The default here is that of α = 1, with the larger weight for the window itself;
    other α are not there.

    Examples
    --------
    >>> x = torch.tensor([[[0.0, 0.0]], [[8.0, 4.0]]])
    >>> mix = Mix(partner=torch.tensor([1, 0]), share=torch.tensor([0.25, 0.5]))
    >>> Mixup().transform(x, mix)
    tensor([[[2., 1.]],
            [[4., 2.]]])
    """

    mixes_windows = True

    def __init__(self, max_share: float = 0.5, p: float = 1.0) -> None:
        super().__init__(p)
        self.max_share = in_range("max_share", max_share, 0.0, 1.0)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Mix:
        """Draw the partners and their shares."""
        share = self.max_share * uniform(x, generator=generator)
        return Mix(_draw_partners(x, generator), share)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Mix
    ) -> Float[torch.Tensor, "B C T"]:
        """Blend."""
        wide = x.to(precision(x))  # so that the share is not rounded to bfloat16
        partners = wide.index_select(0, drawn.partner)
        return torch.lerp(wide, partners, drawn.share[:, None, None].to(wide)).to(x.dtype)


@final
class CutMix(Augmentation):
    """Replace a span of each window by the same span of another one, in all channels.

    Partners are a random permutation of the batch, in which on average one window is its own. The
    length of the span is uniform from 0 to ``max_share · T`` samples, its place uniform in the
    window. At its ends the signal jumps.

    Parameters
    ----------
    max_share : float
        Longest span as a part of the window, rounded to samples. Up to ½ the window itself is the
        larger part.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `max_share` lies outside 0 to 1.

    References
    ----------
    Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable
    features", ICCV 2019, section 3. Departures: no part of the span is cut off at the ends of the
    window, and each window has a span of its own.

    Examples
    --------
    >>> x = torch.tensor([[[0.0, 0.0, 0.0, 0.0]], [[1.0, 2.0, 3.0, 4.0]]])
    >>> share, start = torch.tensor([0.5, 0.25]), torch.tensor([1, 0])
    >>> CutMix().transform(x, Cut(torch.tensor([1, 0]), share, start))
    tensor([[[0., 2., 3., 0.]],
            [[0., 2., 3., 4.]]])
    """

    mixes_windows = True

    def __init__(self, max_share: float = 0.5, p: float = 1.0) -> None:
        super().__init__(p)
        self.max_share = in_range("max_share", max_share, 0.0, 1.0)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Cut:
        """Draw the partners and the spans."""
        T = x.shape[2]
        extent = integers(x, 0, round(self.max_share * T) + 1, generator=generator)
        n_places = T - extent + 1
        # the product may be rounded up to the number of places
        start = (uniform(x, generator=generator) * n_places).long().minimum(n_places - 1)
        return Cut(_draw_partners(x, generator), extent.to(precision(x)) / T, start)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Cut
    ) -> Float[torch.Tensor, "B C T"]:
        """Replace the spans."""
        T = x.shape[2]
        extent = (drawn.share * T).round()
        middle = drawn.start + (extent - 1) / 2
        time = torch.arange(T, dtype=extent.dtype, device=x.device)
        is_partner = (time - middle[:, None]).abs_().lt_(extent[:, None] / 2)
        # lerp by 0 or 1 selects exactly, in half the time of where
        return torch.lerp(x, x.index_select(0, drawn.partner), is_partner[:, None].to(x.dtype))


def soft_targets(gated: Gated) -> Float[torch.Tensor, "B B"]:
    """How much of each window of the batch is in each view.

    Row i has 1 - share in column i and the share in the column of the partner of window i; where
    the view is the window itself it has 1 in column i.

    Parameters
    ----------
    gated : Gated
        What `draw_gated` of a `Mixup` or a `CutMix` gave.

    Returns
    -------
    (B, B) tensor
        Rows sum to 1.

    Raises
    ------
    TypeError
        If another augmentation has drawn it.

    Examples
    --------
    >>> mix = Mix(partner=torch.tensor([2, 1, 0]), share=torch.tensor([0.25, 0.5, 0.5]))
    >>> soft_targets(Gated(torch.tensor([True, True, False]), mix))
    tensor([[0.7500, 0.0000, 0.2500],
            [0.0000, 1.0000, 0.0000],
            [0.0000, 0.0000, 1.0000]])
    """
    if not isinstance(gated.drawn, Mix | Cut):
        raise TypeError(
            f"gated holds a {type(gated.drawn).__name__}, expected what draw_gated of a Mixup or "
            "a CutMix returns: take it out of its pipeline"
        )
    partner, share = gated.drawn.partner, gated.drawn.share
    if gated.applies is not None:
        share = share * gated.applies
    # Added, since a window that is its own partner gets both shares in one column.
    return (1 - share).diag().scatter_add(1, partner[:, None], share[:, None])


def _draw_partners(
    x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None
) -> Int[torch.Tensor, " B"]:
    """Draw a permutation of the batch."""
    return uniform(x, generator=generator).argsort()
