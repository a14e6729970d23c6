"""The base class of the pairings: indices of windows in, indices of their positives out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from tsclr.data.windows import Windows

__all__ = ["Pairing"]

Indices = Int[np.ndarray, " B"]
"""Numbers of B windows."""


class Pairing(ABC):
    """Says which other window shows the same thing as a given one.

    A subclass writes `partner`. Where some windows have no partner it also says which have one
    (`usable`), and where views show different sensors it says which (`visible`).
    """

    @abstractmethod
    def partner(
        self, index: Indices, windows: Windows, generator: torch.Generator | None = None
    ) -> Indices:
        """Draw the positive of each window.

        Parameters
        ----------
        index : (B,) int
            Windows.
        windows : Windows
            What `index` points into.
        generator : torch.Generator, optional
            Source of randomness; the global one by default.
        """

    def usable(self, windows: Windows) -> Int[np.ndarray, " M"]:
        """Windows that have a partner, ascending.

        Parameters
        ----------
        windows : Windows
            All there are.

        Raises
        ------
        ValueError
            If there is none.
        """
        return np.arange(len(windows))

    def visible(self, channels: Sequence[str], view: int) -> Bool[np.ndarray, " C"]:
        """Which channels a view shows; the others are set to 0.

        Parameters
        ----------
        channels : sequence of str
            C names.
        view : int
            0 for the window itself, 1 and so on for its partners.

        Raises
        ------
        ValueError
            If the view would show nothing.
        """
        return np.ones(len(channels), bool)


def uniform(n: int, generator: torch.Generator | None) -> Float[np.ndarray, " n"]:
    """Draw from the uniform distribution on [0, 1)."""
    # The 2^24 values of single precision are too few to choose among millions of windows.
    return torch.rand(n, generator=generator, dtype=torch.float64).numpy()


def stretch(
    index: Indices, windows: Windows
) -> tuple[Int[np.ndarray, " B"], Int[np.ndarray, " B"]]:
    """First and last sample of the gap-free recording around each window."""
    table, rows = windows.store.recordings, windows.rows(index)
    first = table["start"].to_numpy()[rows]
    return first, first + table["length"].to_numpy()[rows] - 1


def nearest(
    ascending: Int[np.ndarray, " N"], aim: Float[np.ndarray, " B"]
) -> Int[np.ndarray, " B"]:
    """Index of the value nearest to each aim, the lower one of a tie.

    Examples
    --------
    >>> nearest(np.array([0, 10, 20]), np.array([-3.0, 5.0, 14.0, 99.0]))
    array([0, 0, 1, 2])
    """
    after = np.searchsorted(ascending, aim)
    before = (after - 1).clip(min=0)
    after = after.clip(max=len(ascending) - 1)
    return np.where(aim - ascending[before] <= ascending[after] - aim, before, after)
