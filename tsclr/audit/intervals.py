"""Intervals of samples, from a start to before a stop: their union and their intersections."""

import numpy as np
from jaxtyping import Int


def union(
    starts: Int[np.ndarray, " N"], stops: Int[np.ndarray, " N"]
) -> tuple[Int[np.ndarray, " M"], Int[np.ndarray, " M"]]:
    """Union of one or more intervals sorted by their start, as intervals that do not touch.

    Examples
    --------
    >>> starts, stops = union(np.array([0, 5, 10, 30]), np.array([10, 8, 20, 40]))
    >>> starts.tolist(), stops.tolist()
    ([0, 30], [20, 40])
    """
    reach = np.maximum.accumulate(stops)
    first = np.flatnonzero(np.append(True, starts[1:] > reach[:-1]))
    return starts[first], reach[np.append(first[1:], len(starts)) - 1]


def intersections(
    starts: Int[np.ndarray, " N"],
    stops: Int[np.ndarray, " N"],
    other_starts: Int[np.ndarray, " M"],
    other_stops: Int[np.ndarray, " M"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Index of one interval, index of another, start and stop of each part that two share.

    The others are sorted by start. For each interval, those that can meet it are consecutive::

        interval            |-----------|
        others     |----|  |---|  |--|  |----|  |---|
                          low               high      from low to before high

    so that time and memory grow with the intersections, not with N M. Only where some of the others
    contain one another are there candidates that do not meet; these are dropped at the end.

    Examples
    --------
    >>> index, other, start, stop = intersections(
    ...     np.array([0, 20]), np.array([15, 40]), np.array([10, 30]), np.array([25, 50])
    ... )
    >>> list(zip(index.tolist(), other.tolist(), start.tolist(), stop.tolist()))
    [(0, 0, 10, 15), (1, 0, 20, 25), (1, 1, 30, 40)]
    """
    low = np.searchsorted(np.maximum.accumulate(other_stops), starts, "right")
    high = np.searchsorted(other_starts, stops, "left")
    n_candidates = np.maximum(high - low, 0)
    index = np.repeat(np.arange(len(starts)), n_candidates)
    # Counts 0, 1, 2, … within each interval: the place in the whole minus the place of its first.
    count = np.arange(len(index)) - np.repeat(np.cumsum(n_candidates) - n_candidates, n_candidates)
    other = low[index] + count
    start = np.maximum(starts[index], other_starts[other])
    stop = np.minimum(stops[index], other_stops[other])
    meet = start < stop
    return index[meet], other[meet], start[meet], stop[meet]
