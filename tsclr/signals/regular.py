"""Stamps, samples and labels of a log in, gap-free stretches at one regular rate out."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64

from tsclr.signals.stamps import (
    batched,
    check_rate,
    clock,
    pieces,
    sample_rate,
    snap_rate,
    sort_dedupe,
)
from tsclr.signals.units import check_axes

REGULAR = 0.2
"""Stamps within this fraction of a step of a regular grid count as regular."""


class Segment(NamedTuple):
    """A stretch without gaps: ``start`` in ns, ``values`` (T, C), ``labels`` (T,) or None."""

    start: int
    values: Float32[np.ndarray, "T C"]
    labels: Int[np.ndarray, " T"] | None


@dataclass(frozen=True)
class Regular:
    """What `regularise` gives: the rate in Hz, the stretches, and the repairs with counts.

    Parameters
    ----------
    rate : float
        Hz, of every segment.
    segments : list of Segment
        In file order.
    repairs : dict of str to int
        ``backward_stamps`` sorted, ``duplicate_stamps`` dropped, ``clock_resets`` and ``gaps``
        cut at, ``batched_samples`` put on a fitted clock, ``interpolated_samples`` filled in,
        ``dropped_samples`` left out as non-finite or alone. Only what occurred.
    """

    rate: float
    segments: list[Segment]
    repairs: dict[str, int]


def regularise(
    stamps: Int64[np.ndarray, " T"],
    values: Float32[np.ndarray, "N C"],
    labels: Int[np.ndarray, " T"] | None = None,
    *,
    rate: float | None = None,
    max_gap: float = 1.0,
) -> Regular:
    """Turn a log into gap-free stretches at one regular rate.

    1. Small steps back are sorted, duplicates dropped (`sort_dedupe`). 2. The log is cut where
    the clock jumps (`pieces`). 3. Stamps of batched delivery are replaced by a fitted `clock`;
    others are trusted. 4. Non-finite samples are filled or cut (`fill_missing`). 5. Samples are
    interpolated linearly onto the grid ``first + i / rate``; a label is that of the nearest
    sample. Stretches whose stamps lie within a fifth of a step of such a grid keep their samples
    as they are.

    The error of linear interpolation is at most step² / 8 · max |x''|: a sine of frequency f loses
    up to 1 − cos(π f / rate) of its amplitude, 3 % at a twelfth of the rate.

    Parameters
    ----------
    stamps : (T,) int64
        Nanoseconds, in file order.
    values : (T, C) float32
        Samples; NaN and infinity where there is none.
    labels : (T,) int, optional
        Label of each sample.
    rate : float, optional
        Hz. Checked against the stamps; without it the measured rate, rounded by `snap_rate`.
    max_gap : float
        Seconds.

    Returns
    -------
    Regular
        Rate, segments of at least two samples, counts of repairs.

    Raises
    ------
    ValueError
        If axes are swapped, the stamps do not advance, or the declared rate is wrong.

    Examples
    --------
    >>> stamps = np.array([0, 20, 41, 59, 80, 5000, 5020]) * 10**6
    >>> regular = regularise(stamps, np.ones((7, 3), np.float32))
    >>> regular.rate, [len(segment.values) for segment in regular.segments], regular.repairs
    (50.0, [5, 2], {'gaps': 1})
    """
    check_axes(values, len(stamps))
    ordered = sort_dedupe(stamps, values, max_gap)
    if len(ordered.rows) < len(stamps) or ordered.n_backward:
        stamps, values = stamps[ordered.rows], values[ordered.rows]
        labels = None if labels is None else labels[ordered.rows]
    measured = sample_rate(stamps, max_gap)
    if rate is None:
        rate = snap_rate(measured)
    else:
        check_rate(measured, rate)
    late = batched(stamps, max_gap)
    cuts = pieces(stamps, max_gap)
    segments: list[Segment] = []
    n_filled = n_used = 0
    for cut in cuts:
        cut_labels = None if labels is None else labels[cut]
        pieces_of_cut, filled, used = _stretch(
            stamps[cut], values[cut], cut_labels, rate, max_gap, late
        )
        segments += pieces_of_cut
        n_filled, n_used = n_filled + filled, n_used + used
    repairs = {
        "backward_stamps": ordered.n_backward,
        "duplicate_stamps": ordered.n_duplicate,
        "clock_resets": ordered.n_resets,
        "gaps": len(cuts) - 1 - ordered.n_resets,
        "batched_samples": len(stamps) if late else 0,
        "interpolated_samples": n_filled,
        "dropped_samples": len(stamps) - n_used,
    }
    return Regular(rate, segments, {name: count for name, count in repairs.items() if count})


def _stretch(
    stamps: Int64[np.ndarray, " T"],
    values: Float32[np.ndarray, "T C"],
    labels: Int[np.ndarray, " T"] | None,
    rate: float,
    max_gap: float,
    late: bool,
) -> tuple[list[Segment], int, int]:
    """Segments of one gap-free stretch, samples filled in, samples used."""
    if stamps[-1] == stamps[0]:
        return [], 0, 0
    seconds, on_grid = _seconds(stamps, rate, late)
    # Before interpolation, which would spread a NaN to the grid points on both sides.
    values, n_filled = fill_missing(values, seconds, max_gap)
    segments, n_used = [], 0
    is_complete = np.asarray(np.isfinite(values).all(axis=1), np.int64)
    for start, stop, usable in runs(is_complete).tolist():
        time = seconds[start:stop]
        if not usable or (time[-1] - time[0]) * rate < 1 - REGULAR:
            continue
        signal, kept_labels = values[start:stop], None if labels is None else labels[start:stop]
        if not on_grid:
            signal, kept_labels = _grid(time, signal, kept_labels, rate)
        segments.append(Segment(int(stamps[0]) + round(time[0] * 1e9), signal, kept_labels))
        n_used += stop - start
    return segments, n_filled, n_used


def _seconds(
    stamps: Int64[np.ndarray, " T"], rate: float, late: bool
) -> tuple[Float64[np.ndarray, " T"], bool]:
    """When each sample was taken, and whether that is the grid at `rate` already."""
    seconds = clock(stamps) if late else (stamps - stamps[0]) * 1e-9
    ideal = np.arange(len(stamps)) / rate
    error = seconds - ideal
    # Only the spread counts: the grid may lie anywhere, so a common offset is no error.
    if error.max() - error.min() > 2 * REGULAR / rate:
        return seconds, False
    return seconds[0] + ideal, True


def _grid(
    seconds: Float64[np.ndarray, " T"],
    values: Float32[np.ndarray, "T C"],
    labels: Int[np.ndarray, " T"] | None,
    rate: float,
) -> tuple[Float32[np.ndarray, "N C"], Int[np.ndarray, " N"] | None]:
    """Samples by linear interpolation and labels by nearest sample on the grid at `rate`."""
    # A last grid point a little after the last sample takes its value, so that two samples
    # one jittered step apart stay two.
    n_steps = int((seconds[-1] - seconds[0]) * rate + REGULAR)
    times = seconds[0] + np.arange(n_steps + 1) / rate
    signal = np.empty((len(times), values.shape[1]), np.float32)
    for channel in range(values.shape[1]):
        signal[:, channel] = np.interp(times, seconds, values[:, channel])
    if labels is None:
        return signal, None
    middles = (seconds[1:] + seconds[:-1]) / 2
    return signal, labels[np.searchsorted(middles, times)]


def fill_missing(
    values: Float32[np.ndarray, "T C"], seconds: Float[np.ndarray, " T"], max_gap: float = 1.0
) -> tuple[Float32[np.ndarray, "T C"], int]:
    """Fill non-finite samples linearly in time, channel by channel.

    A run is filled where its finite neighbours are at most `max_gap` seconds apart. Longer runs,
    and those at either end, stay non-finite for the caller to cut.

    Parameters
    ----------
    values : (T, C) float32
        Samples; not changed.
    seconds : (T,) float
        Increasing times of the samples.
    max_gap : float
        Seconds.

    Returns
    -------
    values : (T, C) float32
        Filled.
    n_filled : int
        Samples (rows) made whole.

    Examples
    --------
    >>> fill_missing(np.array([[0.0], [np.nan], [2.0]], np.float32), np.array([0.0, 0.1, 0.2]))
    (array([[0.],
           [1.],
           [2.]], dtype=float32), 1)
    """
    bad = ~np.isfinite(values)
    rows = bad.any(axis=1)
    if not rows.any():
        return values, 0
    values = values.copy()
    for channel in np.flatnonzero(bad.any(axis=0)):
        _fill(values[:, channel], bad[:, channel], seconds, max_gap)
    return values, int(np.count_nonzero(rows & np.isfinite(values).all(axis=1)))


def _fill(
    column: Float32[np.ndarray, " T"],
    bad: Bool[np.ndarray, " T"],
    seconds: Float[np.ndarray, " T"],
    max_gap: float,
) -> None:
    """Fill one channel in place."""
    good, holes = np.flatnonzero(~bad), np.flatnonzero(bad)
    after = np.searchsorted(good, holes)
    inside = (after > 0) & (after < len(good))
    holes, after = holes[inside], after[inside]
    span = seconds[good[after]] - seconds[good[after - 1]]
    # Half a nanosecond of slack: times are differences of rounded stamps.
    holes = holes[span <= max_gap + 5e-10]
    if len(holes):
        column[holes] = np.interp(seconds[holes], seconds[good], column[good])


def runs(labels: Int[np.ndarray, " T"]) -> Int64[np.ndarray, "N 3"]:
    """Runs of equal labels as a table of start, stop (exclusive) and label.

    Parameters
    ----------
    labels : (T,) int
        Label of each sample.

    Examples
    --------
    >>> runs(np.array([4, 4, -1, 4]))
    array([[ 0,  2,  4],
           [ 2,  3, -1],
           [ 3,  4,  4]])
    """
    if not len(labels):
        return np.empty((0, 3), np.int64)
    starts = np.concatenate([[0], 1 + np.flatnonzero(labels[1:] != labels[:-1])])
    stops = np.append(starts[1:], len(labels))
    return np.stack([starts, stops, labels[starts]], axis=1).astype(np.int64)
