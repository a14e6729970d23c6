"""Time stamps in, their order, gaps, rate and a de-jittered clock out.

Stamps are int64 nanoseconds. A *reset* is a step back by more than `max_gap`: the clock was set
anew, so the rows after it are another stretch and are not sorted among the rows before it.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int, Int64, Shaped

RATE_TOLERANCE = 0.05
SNAP_TOLERANCE = 0.0005
BATCHED_SHARE = 0.01
LONG_LAG = 1000
SHORT_LAG = 10
BLOCK_SECONDS = 10.0


class Sorted(NamedTuple):
    """Rows to keep, in order of time, and what was wrong with the rest."""

    rows: Int[np.ndarray, " K"]
    n_backward: int
    n_duplicate: int
    n_resets: int


def sort_dedupe(
    stamps: Int64[np.ndarray, " T"],
    values: Shaped[np.ndarray, "T C"] | None = None,
    max_gap: float = np.inf,
) -> Sorted:
    """Sort stamps and drop the duplicates, but keep the equal stamps of batched delivery.

    Rows with the stamp and the values of the row before are written twice. If the log is `batched`
    even without them, equal stamps are samples of their own and all are kept; else the first of
    equal stamps is kept.

    Parameters
    ----------
    stamps : (T,) int64
        Nanoseconds, in file order.
    values : (T, C) array, optional
        Samples; without them every equal stamp is a duplicate.
    max_gap : float
        Seconds. Rows are sorted across smaller steps back only, larger ones are resets.

    Returns
    -------
    Sorted
        ``rows`` to keep, in order, and counts of backward steps, duplicates and resets.

    Examples
    --------
    >>> sort_dedupe(np.array([0, 20, 10, 20, 30]))
    Sorted(rows=array([0, 2, 1, 4]), n_backward=1, n_duplicate=1, n_resets=0)
    """
    steps = np.diff(stamps)
    resets = steps < -max_gap * 1e9
    n_backward = int(np.count_nonzero(steps < 0) - np.count_nonzero(resets))
    index = np.arange(len(stamps))
    if n_backward:
        piece = np.concatenate([[0], np.cumsum(resets)])
        # Stable, so equal stamps stay in file order and the first of them is the one that is kept.
        index = np.lexsort((stamps, piece))
    index = _drop_equal(index, stamps, values, max_gap)
    return Sorted(index, n_backward, len(stamps) - len(index), int(np.count_nonzero(resets)))


def _drop_equal(
    index: Int[np.ndarray, " T"],
    stamps: Int64[np.ndarray, " T"],
    values: Shaped[np.ndarray, "T C"] | None,
    max_gap: float,
) -> Int[np.ndarray, " K"]:
    """Sorted rows without those that repeat the row before."""
    later = 1 + np.flatnonzero(np.diff(stamps[index]) == 0)
    if values is not None and len(later):
        same = (values[index[later]] == values[index[later - 1]]).all(axis=1)
        if batched(stamps[np.delete(index, later[same])], max_gap):
            return index
    return np.delete(index, later)


def pieces(stamps: Int64[np.ndarray, " T"], max_gap: float) -> list[slice]:
    """Stretches of rows between gaps (steps longer than `max_gap` seconds) and resets.

    Examples
    --------
    >>> pieces(np.array([0, 1, 2, 9, 10]) * 10**9, max_gap=2.0)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    steps = np.diff(stamps)
    cuts = 1 + np.flatnonzero((steps > max_gap * 1e9) | (steps < 0))
    edges = [0, *cuts.tolist(), len(stamps)]
    return [slice(a, b) for a, b in pairwise(edges) if b > a]


def batched(stamps: Int64[np.ndarray, " T"], max_gap: float = 1.0) -> bool:
    """Whether samples come in batches: over 1 % of the steps are shorter than half the usual one.

    Phones hand over several samples at once, so that many stamps are nearly equal and then one
    jumps; logs with stamps in whole seconds look the same. Such stamps say when a sample arrived,
    not when it was taken.

    Examples
    --------
    >>> batched(np.array([0, 0, 0, 0, 40, 40, 40, 40, 80]) * 10**6)
    True
    """
    steps = _steps(stamps, max_gap)
    short = steps < 0.5 * _usual_step(steps) if len(steps) else steps
    return bool(np.count_nonzero(short) > BATCHED_SHARE * len(steps))


def _steps(stamps: Int64[np.ndarray, " T"], max_gap: float) -> Float64[np.ndarray, " N"]:
    """Seconds between neighbouring stamps, without gaps and resets."""
    steps = np.diff(stamps) * 1e-9
    return steps[(steps >= 0) & (steps <= max_gap)]


def _usual_step(steps: Float[np.ndarray, " N"], lag: int = LONG_LAG) -> float:
    """Median slope of stamp against index over a lag: jitter and batches within it cancel."""
    lag = max(1, min(lag, len(steps) // 2))
    time = np.concatenate([[0.0], np.cumsum(steps)])
    # The median is 0 where batches are longer than the lag; the mean is not.
    return float(np.median(time[lag:] - time[:-lag])) / lag or float(steps.mean())


def sample_rate(stamps: Int64[np.ndarray, " T"], max_gap: float = 1.0) -> float:
    """Sample rate in Hz, robust against gaps, lost samples and batched delivery.

    The mean of the steps within 0.5 to 1.5 times the usual one, so that lost samples do not count
    and stamps rounded to whole milliseconds average out. The usual step is the median slope of
    stamp against index over lags of 10 samples (Theil 1950, Sen 1968, with one lag). For `batched`
    stamps it is that slope over lags of 1000 samples alone.

    Parameters
    ----------
    stamps : (T,) int64
        Nanoseconds.
    max_gap : float
        Seconds; longer steps are gaps and do not count.

    Raises
    ------
    ValueError
        If no two neighbouring stamps differ by at most `max_gap`.

    Examples
    --------
    >>> sample_rate(np.array([0, 20, 40, 61, 80, 5000, 5020]) * 10**6)
    50.0
    """
    steps = _steps(stamps, max_gap)
    if not steps.any():
        usual = float(np.median(np.abs(np.diff(stamps)))) * 1e-9 if len(stamps) > 1 else 0.0
        raise ValueError(
            f"{len(stamps)} stamps, none within {max_gap:g} s of the previous one "
            f"(median step {usual:g} s): check the unit of time or raise max_gap"
        )
    if batched(stamps, max_gap):
        return 1.0 / _usual_step(steps)
    usual = _usual_step(steps, SHORT_LAG)
    away = np.abs(steps - usual)
    # `away.min()` keeps at least one step, so that the mean is never that of an empty array.
    return 1.0 / float(steps[away <= max(0.5 * usual, away.min())].mean())


def check_rate(measured: float, declared: float, tolerance: float = RATE_TOLERANCE) -> None:
    """Raise unless the `measured` rate is within `tolerance` (relative) of the `declared` one.

    Raises
    ------
    ValueError
        With both rates and what to do.

    Examples
    --------
    >>> check_rate(measured=49.7, declared=50.0)
    """
    if abs(measured / declared - 1.0) > tolerance:
        raise ValueError(
            f"declared {declared:g} Hz, but the stamps say {measured:.4g} Hz (allowed difference "
            f"{tolerance:.0%}): give the measured rate, or leave the rate out to have it "
            "estimated; if it is off by a power of ten, check the unit of time"
        )


def snap_rate(rate: float) -> float:
    """Round a measured rate in Hz to a usual one, from which others are met exactly.

    The coarsest of whole, half, quarter and fifth Hz that is within 0.05 %. Else the nearest tenth
    below 10 Hz, quarter below 250 Hz, whole Hz above; three significant digits below 1 Hz. A
    signal is interpolated onto the rounded rate, so that rounding shifts no sample in time.

    Examples
    --------
    >>> [snap_rate(rate) for rate in (49.98, 31.2501, 102.34, 0.03333)]
    [50.0, 31.25, 102.25, 0.0333]
    """
    if rate < 1.0:
        return float(f"{rate:.3g}")
    for parts in (1, 2, 4, 5):
        rounded = round(rate * parts) / parts
        if rate * parts <= 1000 and abs(rounded / rate - 1.0) <= SNAP_TOLERANCE:
            return rounded
    parts = 10 if rate < 10.0 else 4 if rate < 250.0 else 1
    return round(rate * parts) / parts


def clock(stamps: Int64[np.ndarray, " T"]) -> Float64[np.ndarray, " T"]:
    """Seconds since the first stamp at which each sample of a batched stretch was taken.

    A robust line of stamp against index that may bend slowly: slope by the median over long lags,
    offset by the median of the residuals in blocks of 10 s, linear in between. Late delivery of
    fewer than half the samples of a block leaves the line alone; jitter of SD σ in blocks of n
    samples leaves an error of about 1.25 σ/√n. Delays common to all samples cannot be seen. A
    sample lost in the batched stretch shifts the clock near it by less than one step.

    Parameters
    ----------
    stamps : (T,) int64
        Nanoseconds, sorted, without gaps; at least two.

    Examples
    --------
    >>> late = np.array([0, 10, 20, 60, 60, 60, 60, 70, 80]) * 10**6
    >>> clock(late).round(6)
    array([0.  , 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08])
    """
    seconds = (stamps - stamps[0]) * 1e-9
    index = np.arange(len(stamps))
    step = _usual_step(np.diff(seconds))
    if step <= 0:
        raise ValueError(f"{len(stamps)} stamps that do not advance: check the time column")
    size = min(len(stamps), max(2, round(BLOCK_SECONDS / step)))
    n_blocks = len(stamps) // size
    late = seconds - step * index
    offsets = np.median(late[: n_blocks * size].reshape(n_blocks, size), axis=1)
    centres = size * (np.arange(n_blocks) + 0.5) - 0.5
    return step * index + np.interp(index, centres, offsets)
