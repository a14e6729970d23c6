"""Relative position: the encoder predicts how far apart in time two views are, and in which order.

Positions are counted in lengths of a window, from `least` lengths away, here 1.5, so that half a
window lies between the two::

          -2        -1                                  1         2         positions
    |.........|.........|..............|..............|.........|.........| starts of the other
                                     |====|                                 the window itself
"""

import torch
from jaxtyping import Bool, Float, Int
from torch.nn.functional import cross_entropy

from tsclr.checks import check_positive, check_sizes
from tsclr.distributed import masked_mean
from tsclr.encoders.base import Encoder
from tsclr.objectives.base import Objective, represent, require
from tsclr.objectives.batch import Batch
from tsclr.objectives.blocks import at_least_float32, projector

__all__ = ["ContextPrediction", "relative_position"]

TOLERANCE = 1e-6
"""Starts are seconds in floating point: a lag may fall short of a bound by this share."""


def relative_position(
    lag: Float[torch.Tensor, "..."], n_positions: int = 4, least: float = 1.5
) -> tuple[Int[torch.Tensor, "..."], Bool[torch.Tensor, "..."]]:
    """Class of a signed lag: position i is ``least + i - 1 <= |lag| < least + i``, i from 1 to n.

    Parameters
    ----------
    lag : tensor
        Start of the other window less that of the window, in lengths of a window.
    n_positions : int
        Positions to either side (n).
    least : float
        Where the first position begins.

    Returns
    -------
    classes : int tensor
        0 to n - 1 for positions 1 to n, later in time, and n to 2n - 1 for those before.
    valid : bool tensor
        Whether the lag has a position; elsewhere the class is 0.

    Examples
    --------
    >>> classes, valid = relative_position(torch.tensor([1.0, 1.5, 2.7, -1.5, 9.0]), n_positions=2)
    >>> classes, valid
    (tensor([0, 0, 1, 2, 0]), tensor([False,  True,  True,  True, False]))
    """
    index = (lag.abs() - least + TOLERANCE).floor().long()
    valid = (index >= 0) & (index < n_positions)
    return (index + n_positions * (lag < 0)).where(valid, 0), valid


class ContextPrediction(Objective):
    """Position of one window relative to another of the same recording, guessed from both.

    An MLP on the two representations side by side guesses the `relative_position`; the cross
    entropy is the one term, named ``position``. Every ordered pair of views counts, unless the two
    are of different recordings, overlap, or lie out of reach. `tsclr.pairs.Neighbour` with a `gap`
    supplies such pairs: with ``least`` and ``least + n_positions`` in lengths of a window, ``gap =
    least · length`` and ``seconds`` a little less than ``(least + n_positions) · length``.

    The shortcut to be feared is a signal, or an oscillation, that goes on across the border of two
    windows. As in the paper there are two guards: `least` leaves a piece of signal unseen between
    the two, and its length varies within a position, so that no phase tells where the other lies.

    Parameters
    ----------
    seconds : float
        Length of a window, s; greater than 0.
    n_positions : int
        Positions to either side; 4 give 8 classes.
    least : float
        Least distance of the starts, in lengths of a window, 1 or more.
    hidden : int
        Hidden units of the MLP.

    Raises
    ------
    ValueError
        If `seconds` is not greater than 0, `least` is below 1, or a size is below 1; on use, if
        the batch does not tell recordings and starts.

    References
    ----------
    C. Doersch, A. Gupta and A. A. Efros, "Unsupervised visual representation learning by context
    prediction", ICCV 2015, section 3. Departures: time has one axis, so that the 8 neighbours of a
    patch are 4 positions to either side; positions adjoin, where patches jitter around a grid.

    Examples
    --------
    >>> from tsclr.encoders import CNN1d
    >>> encoder = CNN1d(in_channels=6)
    >>> objective = ContextPrediction(seconds=2.0).build(encoder, n_windows=1000)
    >>> starts = torch.tensor([[0.0, 0.0, 0.0, 50.0], [3.0, 9.0, 5.0, 46.0]]).double()
    >>> views = [torch.randn(4, 6, 100), torch.randn(4, 6, 100)]
    >>> batch = Batch(views, starts=starts, recordings=torch.zeros(2, 4, dtype=torch.int64))
    >>> terms = objective(encoder, batch)
    >>> list(terms)
    ['position']
    >>> sum(terms.values()).backward()
    """

    def __init__(
        self, seconds: float = 2.56, n_positions: int = 4, least: float = 1.5, hidden: int = 256
    ) -> None:
        super().__init__()
        check_positive(seconds=seconds)
        check_sizes(n_positions=n_positions, hidden=hidden)
        if not 1 <= least < float("inf"):
            raise ValueError(f"least is {least}, it must be finite and at least 1: windows overlap")
        self.seconds = seconds
        self.n_positions = n_positions
        self.least = least
        self.hidden = hidden

    def make(self, encoder: Encoder, n_windows: int) -> None:
        """Make the MLP that guesses."""
        self.guess = projector(2 * encoder.num_features, self.hidden, 2 * self.n_positions)

    def terms(self, encoder: Encoder, batch: Batch) -> dict[str, Float[torch.Tensor, ""]]:
        """One term, ``position``."""
        starts = require(batch.starts, "starts", self)
        recordings = require(batch.recordings, "recordings", self)
        one, other = _ordered_pairs(len(starts)).to(starts.device)
        lag = (starts[other] - starts[one]) / self.seconds
        classes, valid = relative_position(lag.flatten(), self.n_positions, self.least)
        valid &= (recordings[one] == recordings[other]).flatten()
        h = represent(encoder, batch.views)
        logits = self.guess(torch.cat([h[one], h[other]], -1).flatten(0, 1))
        # A pair without a position has class 0, so that its loss is defined; the mask drops it.
        losses = cross_entropy(at_least_float32(logits), classes, reduction="none")
        return {"position": masked_mean(losses, valid)}


def _ordered_pairs(n_views: int) -> torch.Tensor:
    """Views one and other of every ordered pair of two, (2, P)."""
    return (~torch.eye(n_views, dtype=torch.bool)).nonzero().T
