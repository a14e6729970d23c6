"""Windows and which of them are tested in, signs of a scaling fitted on all of them out."""

from collections.abc import Iterator

import numpy as np

from tsclr.audit.copies import blocks

STATISTICS = ("mean", "SD", "minimum", "maximum")
SCALINGS = {
    "a normalisation": (slice(0, 2), (0, 1), 0.01),
    "a min-max scaling": (slice(2, 4), (0, 1), 1e-5),
    "a min-max scaling to [-1, 1]": (slice(2, 4), (-1, 1), 1e-5),
}
"""Which `STATISTICS` a scaling gives to every channel, and up to which difference.

Extremes are exact but for rounding. Moments are looser, since streams may have been normalised
before they were cut into windows.
"""


def scalings(windows: np.ndarray, tested: np.ndarray) -> Iterator[str]:
    """Signs that statistics of all windows, test included, were used to scale each channel.

    Whoever did so has means of 0 and standard deviations of 1 over all windows, or extremes of 0 or
    -1 and 1. Only a sign: another pipeline may have scaled each subject, say. Where the windows
    outside the test have the same extremes, a min-max scaling of everything is no leak.
    """
    of_all, of_training = _statistics_with_and_without(windows, tested)
    varies = of_all[1] > 0
    if not varies.any():
        return
    for kind, (rows, targets, tolerance) in SCALINGS.items():
        deviation, deviation_of_training = (
            np.abs(values[rows] - np.array(targets)[:, None])[:, varies].max()
            for values in (of_all, of_training)
        )
        if deviation < tolerance < deviation_of_training:
            one, other = STATISTICS[rows]
            yield (
                f"the {one}s and {other}s of all windows are those of {kind}, those of the windows "
                f"outside the test are not: {one} {_listed(of_all[rows][0])} and {other} "
                f"{_listed(of_all[rows][1])} of all, {one} {_listed(of_training[rows][0])} and "
                f"{other} {_listed(of_training[rows][1])} without the test"
            )


def _statistics_with_and_without(
    windows: np.ndarray, tested: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`STATISTICS` (4, C) of each channel, of all windows and of those outside the test."""
    n_channels = windows.shape[1]
    sums = np.zeros((2, 3, n_channels))  # outside the test and in it: count, sum, sum of squares
    lows, highs = np.full((2, n_channels), np.inf), np.full((2, n_channels), -np.inf)
    for first, block in blocks(windows):
        in_test = tested[first : first + len(block)]
        for side in set(in_test.astype(int)):
            values = block[in_test == side].astype(np.float64)
            count = np.full(n_channels, values.shape[0] * values.shape[2])
            sums[side] += [count, values.sum((0, 2)), (values**2).sum((0, 2))]
            lows[side] = np.minimum(lows[side], values.min((0, 2)))
            highs[side] = np.maximum(highs[side], values.max((0, 2)))
    of_all = np.stack([*_moments(sums.sum(0)), lows.min(0), highs.max(0)])
    return of_all, np.stack([*_moments(sums[0]), lows[0], highs[0]])


def _moments(sums: np.ndarray) -> np.ndarray:
    """Mean and SD of each channel from count, sum and sum of squares."""
    mean = sums[1] / sums[0]
    return np.stack([mean, np.sqrt(np.maximum(sums[2] / sums[0] - mean**2, 0))])


def _listed(values: np.ndarray) -> str:
    """Values with three decimals, in brackets."""
    return "(" + ", ".join(f"{value:.3f}" for value in values) + ")"
