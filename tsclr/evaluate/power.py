"""Number of test people in, the differences that they can prove out: before anything is run."""

from functools import cache

import numpy as np
from jaxtyping import Float32

from tsclr.evaluate.significance import LEVEL, N_SWAPS

POWER = 0.8
"""Probability with which a difference is to be proven."""
N_SIMULATED = 1000
"""Simulated tests; the least difference is right to about 3 % then."""
LARGEST = 20.0
"""Difference in standard deviations that is proven whenever any is."""


def least_p(n_subjects: int, n_comparisons: int = 1) -> float:
    """Least p_holm of a comparison: min(1, M 2^(1 - S)), and M / 10,001 for S > 13.

    `tsclr.evaluate.significance.compare` returns no smaller one. If it is above `LEVEL`, no
    difference can be proven, however large.

    Parameters
    ----------
    n_subjects : int
        Number S of test subjects.
    n_comparisons : int
        Number M of rows of `compare`; 1 for the p of `paired`.

    Raises
    ------
    ValueError
        If there are fewer than 2 subjects, or there is no comparison.

    Examples
    --------
    >>> least_p(3, 10), least_p(6, 10), least_p(9, 10)
    (1.0, 0.3125, 0.0390625)
    """
    if n_subjects < 2 or n_comparisons < 1:
        raise ValueError(
            f"no p value of {n_comparisons} comparisons over {n_subjects} test subjects: give at "
            "least 1 comparison and 2 subjects"
        )
    exact = 2**n_subjects <= N_SWAPS
    return min(1.0, n_comparisons * (2.0 ** (1 - n_subjects) if exact else 1 / (1 + N_SWAPS)))


def least_difference(n_people: int, sd: float, n_comparisons: int = 1) -> float | None:
    """Smallest difference of two methods that is proven with a probability of `POWER`.

    Proven means p_holm ≤ `LEVEL`, where the difference is the first of its family that Holm's
    procedure looks at: the randomisation test has to give p ≤ `LEVEL` / M. Tests are simulated on
    people whose differences are normal with the standard deviation `sd`. With many people and
    α = `LEVEL` / M the result approaches (z_{1-α/2} + z_{POWER}) sd / √S; with few it is larger.

    Parameters
    ----------
    n_people : int
        Number S of test people.
    sd : float
        Standard deviation, from person to person, of the difference of macro F1.
    n_comparisons : int
        Number M of comparisons in the family.

    Returns
    -------
    float or None
        None if no difference can be proven, however large.

    Raises
    ------
    ValueError
        As for `least_p`.

    Examples
    --------
    >>> round(least_difference(89, 0.05), 4), round(least_difference(9, 0.05, 10), 3)
    (0.0148, 0.097)
    >>> least_difference(6, 0.05, 10)
    """
    if least_p(n_people, n_comparisons) > LEVEL:
        return None
    return sd * _standard_difference(n_people, n_comparisons)


@cache
def _standard_difference(n_people: int, n_comparisons: int) -> float:
    """`least_difference` in standard deviations, by halving the interval in which it lies."""
    generator = np.random.default_rng(0)
    signs = _signs(n_people, generator)
    people = generator.standard_normal((n_people, N_SIMULATED), np.float32)
    swapped, n_kept = signs @ people, signs.sum(1, keepdims=True)
    low, high = 0.0, LARGEST
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        sums = np.abs(swapped + np.float32(middle) * n_kept)
        # The first row has all signs positive, so it is the difference that was observed.
        p = (sums >= sums[0] * np.float32(1 - 1e-5)).mean(0)
        found = (p <= LEVEL / n_comparisons).mean()
        low, high = (low, middle) if found >= POWER else (middle, high)
    return high


def _signs(n_people: int, generator: np.random.Generator) -> Float32[np.ndarray, "swaps people"]:
    """Signs of people in the swaps of the test: +1 for all, then all others or drawn ones.

    Of a swap and its reverse, which give differences of one size, only one is there.
    """
    if 2**n_people <= N_SWAPS:
        bits = np.arange(2 ** (n_people - 1))[:, None] >> np.arange(n_people) & 1
        return (1 - 2 * bits).astype(np.float32)
    drawn = generator.integers(0, 2, (N_SWAPS, n_people), dtype=np.int8)
    return np.vstack([np.ones(n_people), 1 - 2 * drawn]).astype(np.float32)
