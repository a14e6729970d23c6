"""Windows in, views of their samples in another order out, the same in all channels."""

from typing import Annotated, NamedTuple, final

import torch
from jaxtyping import Float, Int
from torch.nn.functional import pad

from tsclr.augment.base import Augmentation, Quantity
from tsclr.augment.draws import integers, uniform
from tsclr.checks import in_range

__all__ = ["Permute", "Reverse", "TimeShift"]


class Cuts(NamedTuple):
    """Where `Permute` cuts each window and in which order it joins the segments."""

    first: Annotated[Int[torch.Tensor, "B n_cuts"], Quantity("cuts before samples")]
    """First sample of each segment but the first, ascending."""
    order: Annotated[Int[torch.Tensor, "B n_segments"], Quantity("order of the segments")]
    """Which segment comes first, second, …"""


@final
class Permute(Augmentation):
    """Cut the window into segments at random places and join them in random order.

    Every channel is cut and joined alike, and every sample is kept. The order may be the original
    one, which happens once in `n_segments` factorial. The cuts are uniform values in order, each
    moved up by its rank so that no segment is empty.

    Parameters
    ----------
    n_segments : int
        Segments, 1 to 64, each at least one sample long. A window with fewer samples is cut into
        single samples.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `n_segments` lies outside 1 to 64.

    References
    ----------
    Um et al., ICMI 2017, section 3. Several later implementations copy the first channel into all
    others; this one does not.

    Examples
    --------
    >>> x = torch.arange(12.0).view(1, 2, 6)
    >>> view = Permute(n_segments=3)(x)
    >>> bool((view[:, 1] - view[:, 0] == 6).all()), view[0, 0].sort().values
    (True, tensor([0., 1., 2., 3., 4., 5.]))
    """

    def __init__(self, n_segments: int = 4, p: float = 1.0) -> None:
        super().__init__(p)
        self.n_segments = in_range("n_segments", n_segments, 1, 64)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Cuts:
        """Draw the cuts and the order of the segments."""
        T = x.shape[2]
        n = min(self.n_segments, T)
        # sorted draws with repeats, moved up by their rank, are distinct: no segment is empty
        free = integers(x, 0, T - n + 1, n - 1, generator=generator)
        first = free.sort(dim=1).values + torch.arange(1, n, device=x.device)
        return Cuts(first, uniform(x, n, generator=generator).argsort(dim=1))

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Cuts
    ) -> Float[torch.Tensor, "B C T"]:
        """Join the segments in the drawn order."""
        index = _permuted_index(drawn, x.shape[2])
        return x.gather(2, index[:, None].expand_as(x))


@final
class TimeShift(Augmentation):
    """Move the window in time by a whole number of samples: the same movement a little later.

    The number is uniform from ``-m`` to ``m`` with ``m = max_fraction · T``, rounded, at most
    T - 1. What comes in from outside is the mirror image at the edge: no jump, unlike a roll or
    zeros.

    Parameters
    ----------
    max_fraction : float
        Largest shift as a part of the window.
    p : float
        Probability per window.

    Raises
    ------
    ValueError
        If `max_fraction` lies outside 0 to 1.

    Examples
    --------
    >>> later = torch.tensor([2])
    >>> TimeShift().transform(torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]]]), later)
    tensor([[[3., 2., 1., 2., 3.]]])
    """

    def __init__(self, max_fraction: float = 0.2, p: float = 1.0) -> None:
        super().__init__(p)
        self.max_fraction = in_range("max_fraction", max_fraction, 0.0, 1.0)

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> Annotated[Int[torch.Tensor, " B"], Quantity("shift in samples")]:
        """Draw how many samples later the window comes; less than 0 is earlier."""
        T = x.shape[2]
        most = min(round(self.max_fraction * T), T - 1)
        return integers(x, -most, most + 1, generator=generator)

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: Int[torch.Tensor, " B"]
    ) -> Float[torch.Tensor, "B C T"]:
        """Move the windows."""
        last = x.shape[2] - 1
        # One reflection at each end is enough, since no shift is longer than T - 1.
        since_first = (torch.arange(last + 1, device=x.device) - drawn[:, None]).abs()
        index = last - (last - since_first).abs()
        return x.gather(2, index[:, None].expand_as(x))


@final
class Reverse(Augmentation):
    """Reverse the order of the samples: the last comes first.

    A movement played backward has the same accelerations, but turns the other way. The gyroscope
    would show that with its sign changed, and here keeps its sign, as the field has it: a window
    of the accelerometer becomes one that could have been recorded, a window with a gyroscope does
    not quite.

    Parameters
    ----------
    p : float
        Probability per window; at 1 every window is reversed, ½ suits most pipelines.

    References
    ----------
    Saeed et al., "Multi-task self-supervised learning for human activity detection", Proceedings
    of the ACM on Interactive, Mobile, Wearable and Ubiquitous Technologies 3 (2019).

    Examples
    --------
    >>> Reverse()(torch.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[3., 2., 1.]]])
    """

    def draw(
        self, x: Float[torch.Tensor, "B C T"], generator: torch.Generator | None = None
    ) -> tuple[()]:
        """Draw nothing: there is one way back."""
        return ()

    def transform(
        self, x: Float[torch.Tensor, "B C T"], drawn: tuple[()]
    ) -> Float[torch.Tensor, "B C T"]:
        """Turn the order round."""
        return x.flip(2)


def _permuted_index(cuts: Cuts, length: int) -> Int[torch.Tensor, "B T"]:
    """Sample of the window that each sample of the view shows."""
    first = pad(cuts.first, (1, 0))
    extent = pad(cuts.first, (0, 1), value=length) - first
    first, extent = first.gather(1, cuts.order), extent.gather(1, cuts.order)
    start_joined = extent.cumsum(dim=1) - extent
    # the index rises by 1 from sample to sample, but jumps where a segment starts
    jump = first - pad((first + extent - 1)[:, :-1], (1, 0))
    rise = jump.new_ones(len(jump), length).scatter(1, start_joined, jump)
    return rise.cumsum(dim=1)
