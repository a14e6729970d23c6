"""A signal at one rate in, the same signal at another out, anti-aliased, at an exact ratio."""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int
from scipy.signal import resample_poly

LARGEST_FACTOR = 1000
"""Above this the anti-alias filter (20 times as long) would be longer than most logs."""


class Ratio(NamedTuple):
    """Resampling by ``up / down``: the ``rate`` it gives in Hz and its relative ``error``."""

    up: int
    down: int
    rate: float
    error: float


def rational(rate: float, target: float, tolerance: float = 0.0) -> Ratio:
    """Ratio of two rates as whole numbers, exact for rates written as decimals.

    Parameters
    ----------
    rate, target : float
        Hz.
    tolerance : float
        Relative error of the target rate that is accepted where no exact ratio has factors up to
        1000. The result states the rate that is really met.

    Raises
    ------
    ValueError
        If a rate is not positive, or the ratio cannot be met within `tolerance`.

    Examples
    --------
    >>> rational(31.25, 50)
    Ratio(up=8, down=5, rate=50.0, error=0.0)
    """
    if not (0 < rate < np.inf and 0 < target < np.inf):
        raise ValueError(f"cannot resample from {rate:g} to {target:g} Hz: rates are positive")
    # By its decimal text: the binary value of 0.1 is no tenth, and has a huge denominator.
    exact = Fraction(str(float(target))) / Fraction(str(float(rate)))
    ratio = _bounded(exact)
    if ratio == 0:
        raise ValueError(
            f"cannot resample from {rate:g} to {target:g} Hz: a ratio above {LARGEST_FACTOR}; "
            "resample in two steps or choose a nearer rate"
        )
    met, error = float(rate * ratio), float(abs(ratio / exact - 1))
    if error > tolerance:
        raise ValueError(
            f"{rate!r} to {target!r} Hz is the ratio {exact.numerator}/{exact.denominator}, with "
            f"factors above {LARGEST_FACTOR}. {ratio.numerator}/{ratio.denominator} gives "
            f"{met:.8g} Hz, a relative error of {error:.1e}: choose a target rate in a simpler "
            "ratio"
        )
    return Ratio(ratio.numerator, ratio.denominator, float(target) if error == 0 else met, error)


def _bounded(exact: Fraction) -> Fraction:
    """Nearest fraction with both terms up to `LARGEST_FACTOR`, 0 if there is none."""
    if exact <= 1:
        return exact.limit_denominator(LARGEST_FACTOR)
    # It limits the denominator alone, so the larger term has to be there.
    inverse = (1 / exact).limit_denominator(LARGEST_FACTOR)
    return 1 / inverse if inverse else inverse


def resample(
    signal: Float[np.ndarray, "T C"], rate: float, target: float, tolerance: float = 0.0
) -> Float[np.ndarray, "N C"]:
    """Resample with an anti-alias filter (Kaiser-windowed FIR, polyphase, zero phase).

    The filter is that of `scipy.signal.resample_poly`, but each of its `up` phases is scaled to sum
    to one: otherwise a constant, gravity for one, comes out with a ripple of 0.07 %. The first and
    the last sample are repeated past the ends, so that a constant stays constant there too.

    Parameters
    ----------
    signal : (T, C) float
        Finite samples.
    rate, target : float
        Hz.
    tolerance : float
        As in `rational`, which states the rate that is met where it is not `target`.

    Returns
    -------
    (N, C) float
        N = ceil(T · target / rate); sample 0 stays where it was.

    Raises
    ------
    ValueError
        As `rational`.

    Examples
    --------
    >>> resample(np.ones((100, 3), np.float32), 31.25, 50).shape
    (160, 3)
    """
    up, down, _, _ = rational(rate, target, tolerance)
    if up == down or not len(signal):
        return signal
    taps = _low_pass(up, down).astype(signal.dtype)
    resampled = resample_poly(signal, up, down, axis=0, window=taps, padtype="edge")
    return resampled.astype(signal.dtype, copy=False)


def _low_pass(up: int, down: int) -> Float64[np.ndarray, " N"]:
    """FIR with cut-off at the lower of both Nyquist rates and unit gain at 0 Hz in every phase."""
    largest = max(up, down)
    offsets = np.arange(-10 * largest, 10 * largest + 1)
    taps = np.sinc(offsets / largest) * np.kaiser(len(offsets), 5.0)
    for phase in range(up):
        # `resample_poly` multiplies the taps by `up`.
        taps[phase::up] /= up * taps[phase::up].sum()
    return taps


def resample_labels(
    labels: Int[np.ndarray, " T"], rate: float, target: float, tolerance: float = 0.0
) -> Int[np.ndarray, " N"]:
    """Labels on the grid of `resample`: that of the nearest sample, the later one of two.

    Examples
    --------
    >>> resample_labels(np.array([0, 0, 1, 1]), 50, 100)
    array([0, 0, 0, 1, 1, 1, 1, 1])
    """
    up, down, _, _ = rational(rate, target, tolerance)
    n_samples = -(-len(labels) * up // down)
    nearest = (2 * np.arange(n_samples) * down + up) // (2 * up)
    return labels[np.minimum(nearest, len(labels) - 1)]
