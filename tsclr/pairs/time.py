"""Pairings in time: the positive is the same window, or another one of its recording."""

import numpy as np
import torch
from jaxtyping import Bool, Int

from tsclr.data.windows import Windows
from tsclr.pairs.base import Indices, Pairing, stretch, uniform

__all__ = ["Neighbour", "SameRecording", "SameWindow"]


class SameWindow(Pairing):
    """The window itself: the two views differ by augmentation alone (SimCLR, Chen 2020, § 2.1).

    Examples
    --------
    >>> from tsclr.data.store import Store
    >>> windows = Windows.sliding(Store.load("synthetic"), length=128, stride=64)
    >>> SameWindow().partner(np.array([3, 1]), windows)
    array([3, 1])
    """

    def partner(
        self, index: Indices, windows: Windows, generator: torch.Generator | None = None
    ) -> Indices:
        """Give `index` back."""
        return index


class Neighbour(Pairing):
    """A window near in time, uniformly among those of the same gap-free stretch, itself included.

    Activities last long compared with a window, so neighbours mostly show the
    same activity. No label and no bout boundary is looked at (compare the temporal
    neighbourhood of TNC, `StationaryNeighbour`; here it is uniform and of fixed width).

    Parameters
    ----------
    seconds : float
        How far apart the starts may lie, before or after.
    gap : float
        How far apart the starts must lie at least, s; any gap leaves out the window itself. With
        more than the length of a window the two do not overlap. Windows with no other in between
        have no partner.

    Raises
    ------
    ValueError
        If `seconds` is negative or infinite, or `gap` is not within 0 to `seconds`; on use, if a
        window has no partner, or none has another one within reach.

    Examples
    --------
    >>> from tsclr.data.store import Store
    >>> windows = Windows.sliding(Store.load("synthetic"), length=100, stride=50)
    >>> partner = Neighbour(seconds=2.0).partner(np.full(200, 7), windows)
    >>> np.unique(partner)
    array([5, 6, 7, 8, 9])
    >>> partner = Neighbour(seconds=3.0, gap=2.0).partner(np.full(200, 7), windows)
    >>> np.unique(partner)
    array([ 4,  5,  9, 10])
    """

    def __init__(self, seconds: float = 2.56, gap: float = 0.0) -> None:
        if not 0 <= seconds < float("inf"):
            raise ValueError(
                f"seconds={seconds:g} must be finite and at least 0; for any window of the "
                "recording use SameRecording"
            )
        if not 0 <= gap <= seconds:
            raise ValueError(f"gap={gap:g} must be within 0 and seconds={seconds:g}")
        self.seconds = seconds
        self.gap = gap

    def partner(
        self, index: Indices, windows: Windows, generator: torch.Generator | None = None
    ) -> Indices:
        """Draw a start within reach of each start, and beyond the gap."""
        first, n_before, after, n_after = self._within_reach(index, windows)
        n_all = n_before + n_after
        if not n_all.all():
            raise ValueError(
                f"{(n_all == 0).sum()} of {len(index)} windows have no other {self.gap:g} to "
                f"{self.seconds:g} s away: use the windows that `usable` returns"
            )
        drawn = (uniform(len(index), generator) * n_all).astype(int)
        return np.where(drawn < n_before, first + drawn, after + drawn - n_before)

    def usable(self, windows: Windows) -> Int[np.ndarray, " M"]:
        """Windows with another one within reach and beyond the gap; without a gap, all of them."""
        alone = self.alone(windows)
        if self.seconds and alone.all():
            raise ValueError(
                f"no window has another {self.gap:g} to {self.seconds:g} s away in its recording: "
                "raise `seconds`, to the stride at least, or lower `gap`, or take SameWindow"
            )
        return np.flatnonzero(~alone) if self.gap else np.arange(len(windows))

    def alone(self, windows: Windows) -> Bool[np.ndarray, " N"]:
        """Which windows have no other one within reach and beyond the gap.

        Parameters
        ----------
        windows : Windows
            Among which to look.
        """
        _, n_before, _, n_after = self._within_reach(np.arange(len(windows)), windows)
        # Without a gap the window itself is the one that is always there.
        return n_before + n_after == (self.gap == 0)

    def _within_reach(
        self, index: Indices, windows: Windows
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """First window before the gap and how many, first window after it and how many.

        Without a gap the window itself is one of those before.
        """
        reach = round(self.seconds * windows.store.sample_rate)
        gap = max(round(self.gap * windows.store.sample_rate), int(self.gap > 0))
        first, last = stretch(index, windows)
        starts = windows.starts[index]
        low = np.searchsorted(windows.starts, np.maximum(starts - reach, first))
        # Near the ends of a recording the gap may reach past it: counts must not become negative.
        before = np.searchsorted(windows.starts, starts - gap, "right").clip(min=low)
        # Without a gap `before` includes the window itself, which must not count again.
        after = np.searchsorted(windows.starts, starts + gap).clip(min=before)
        high = np.searchsorted(windows.starts, np.minimum(starts + reach, last), "right")
        return low, before - low, after, (high - after).clip(min=0)


class SameRecording(Pairing):
    """Any window of the same gap-free recording, itself included, all equally likely.

    For logs in which a recording is one activity, or to learn what tells wearers and days apart.

    Examples
    --------
    >>> from tsclr.data.store import Store
    >>> from tsclr.types import Recording
    >>> signal = np.zeros((100, 1), np.float32)
    >>> walk, run = (
    ...     Recording(signal=signal, sample_rate=50.0, channels=("acc_x",), subject="s1", name=name)
    ...     for name in ("walk", "run")
    ... )
    >>> windows = Windows.sliding(Store.build([walk, run]), length=20, stride=40)
    >>> np.unique(SameRecording().partner(np.full(100, 4), windows))
    array([3, 4, 5])
    """

    def partner(
        self, index: Indices, windows: Windows, generator: torch.Generator | None = None
    ) -> Indices:
        """Draw a window of the recording of each window."""
        first, last = stretch(index, windows)
        low = np.searchsorted(windows.starts, first)
        high = np.searchsorted(windows.starts, last, "right")
        return low + (uniform(len(index), generator) * (high - low)).astype(int)
