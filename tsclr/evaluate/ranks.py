"""Average ranks of many methods over many datasets, and which of their differences are proven."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution
from scipy.stats import friedmanchisquare, studentized_range

ALPHA = 0.05
TIE = 1e-12
"""Average ranks that differ by no more than this are equal except for rounding errors."""


@dataclass(frozen=True)
class Ranking:
    """Ranks of methods over blocks.

    Parameters
    ----------
    average : Series
        Average rank of each method, 1 is best, the best first.
    n_blocks : int
        Number of blocks in the average.
    n_left_out : int
        Number of blocks left out because a method has no score there.
    """

    average: pd.Series
    n_blocks: int
    n_left_out: int


@dataclass(frozen=True)
class Friedman:
    """Whether methods differ at all.

    Parameters
    ----------
    chi_square, p_chi_square : float
        Friedman's statistic and its p value; conservative where there are few blocks.
    f, p : float
        The statistic of Iman and Davenport and its p value.
    """

    chi_square: float
    p_chi_square: float
    f: float
    p: float


def average_ranks(scores: pd.DataFrame) -> Ranking:
    """Rank methods in each block, 1 is best, ties share the mean rank; average over blocks.

    Parameters
    ----------
    scores : DataFrame
        One row per method, one column per block: a dataset, or a dataset and a label budget.
        Higher is better. A block in which a method has no finite score is left out and counted.

    Raises
    ------
    ValueError
        If there are fewer than two methods, one is there twice, or no block has all methods.

    References
    ----------
    .. [1] J. Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7,
       2006, section 3.2.2.

    Examples
    --------
    >>> scores = pd.DataFrame(
    ...     {"hapt": [0.9, 0.8, 0.7], "wisdm": [0.6, 0.6, 0.5], "new": [0.8, None, 0.6]},
    ...     index=["SimCLR", "VICReg", "random"],
    ... )
    >>> ranking = average_ranks(scores)
    >>> ranking.average.to_dict(), ranking.n_blocks, ranking.n_left_out
    ({'SimCLR': 1.25, 'VICReg': 1.75, 'random': 3.0}, 2, 1)
    """
    complete = _complete(scores)
    average = complete.rank(ascending=False).mean(axis=1).sort_values(kind="stable")
    n_blocks = complete.shape[1]
    return Ranking(average, n_blocks, scores.shape[1] - n_blocks)


def friedman(scores: pd.DataFrame) -> Friedman:
    """Test whether any method ranks differently from the others.

    χ² is Friedman's, corrected for ties; F = (N - 1) χ² / (N (k - 1) - χ²) for k methods over N
    blocks is that of Iman and Davenport, with k - 1 and (k - 1)(N - 1) degrees of freedom. Blocks
    count as independent.

    Where all N blocks agree, F is infinite and its p value would be 0. It is reported as
    (k!)^(1 - N) instead, the probability that blocks without ties agree by chance, which is the
    least p value of all.

    Parameters
    ----------
    scores : DataFrame
        As for `average_ranks`.

    Raises
    ------
    ValueError
        If there are too few methods or blocks for a test, or as for `average_ranks`.

    References
    ----------
    .. [1] J. Demšar, JMLR 7, 2006, section 3.2.2.
    .. [2] R. L. Iman, J. M. Davenport, "Approximations of the critical region of the Friedman
       statistic", Communications in Statistics 9(6), 1980.

    Examples
    --------
    >>> scores = pd.DataFrame({"a": [3, 2, 1], "b": [3, 1, 2], "c": [3, 2, 1]})
    >>> result = friedman(scores)
    >>> round(result.chi_square, 3), round(result.f, 3), round(result.p, 3)
    (4.667, 7.0, 0.049)
    """
    complete = _complete(scores)
    n_methods, n_blocks = complete.shape
    _require_testable(n_methods, n_blocks)
    if (complete == complete.iloc[0]).all(axis=None):  # every rank is tied: χ² is 0 / 0
        return Friedman(0.0, 1.0, 0.0, 1.0)
    chi_square, p_chi_square = friedmanchisquare(*complete.to_numpy())
    most = n_blocks * (n_methods - 1)
    agree = math.isclose(chi_square, most)
    f = math.inf if agree else (n_blocks - 1) * chi_square / (most - chi_square)
    p = f_distribution.sf(f, n_methods - 1, (n_methods - 1) * (n_blocks - 1))
    least = math.exp((1 - n_blocks) * math.lgamma(n_methods + 1))
    return Friedman(float(chi_square), float(p_chi_square), float(f), max(float(p), least))


def critical_difference(n_methods: int, n_blocks: int) -> float:
    """Least difference of two average ranks that Nemenyi's test calls significant at 0.05.

    CD = q √(k (k + 1) / (6 N)) for k methods over N independent blocks, with q the 0.95 quantile of
    the studentised range of k means, divided by √2.

    Parameters
    ----------
    n_methods, n_blocks : int
        Number k of methods and N of blocks.

    Raises
    ------
    ValueError
        If there are too few methods or blocks for a test.

    References
    ----------
    .. [1] J. Demšar, JMLR 7, 2006, section 3.2.2 and table 5.

    Examples
    --------
    Demšar's example of four classifiers over 14 datasets:

    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    _require_testable(n_methods, n_blocks)
    quantile = studentized_range.ppf(1 - ALPHA, n_methods, np.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(n_methods * (n_methods + 1) / (6 * n_blocks)))


def why_untestable(n_methods: int, n_blocks: int) -> str | None:
    """Why so few methods or blocks cannot be tested; None if they can.

    Examples
    --------
    >>> print(why_untestable(2, 9))
    rank tests take 3 methods or more, got 2: compare two over test subjects
    """
    if n_methods < 3:
        return f"rank tests take 3 methods or more, got {n_methods}: compare two over test subjects"
    if n_blocks < 2:
        return f"rank tests take 2 datasets or more, got {n_blocks}: compare over its test subjects"
    return None


def groups(average: pd.Series, reach: float) -> list[list[str]]:
    """Largest groups of two or more methods whose average ranks differ by at most `reach`.

    Parameters
    ----------
    average : Series
        Average rank of each method.
    reach : float
        The critical difference.

    Examples
    --------
    >>> groups(pd.Series({"a": 1.2, "b": 2.0, "c": 2.9, "d": 3.9}), reach=1.0)
    [['a', 'b'], ['b', 'c'], ['c', 'd']]
    """
    ordered = average.sort_values(kind="stable")
    names, ranks = ordered.index.to_list(), ordered.to_numpy()
    stops = np.searchsorted(ranks, ranks + reach + TIE, side="right")
    largest = []
    previous_stop = 0
    for start, stop in enumerate(stops):
        # A group that ends where the one before ends is a part of it.
        if stop > max(previous_stop, start + 1):
            largest.append(names[start:stop])
        previous_stop = stop
    return largest


def _complete(scores: pd.DataFrame) -> pd.DataFrame:
    """Blocks in which every method has a finite score."""
    if len(scores) < 2:
        raise ValueError(f"ranks take 2 methods or more, got {len(scores)}")
    twice = scores.index[scores.index.duplicated()]
    if len(twice):
        raise ValueError(f"method {twice[0]!r} has more than one row of scores: keep one")
    finite = np.isfinite(scores.astype(float)).all()
    if not finite.any():
        raise ValueError(
            f"none of {scores.shape[1]} blocks has a score of all {len(scores)} methods: "
            "run the missing ones, or leave out a method"
        )
    return scores.loc[:, finite].astype(float)


def _require_testable(n_methods: int, n_blocks: int) -> None:
    """Raise ``ValueError`` where ranks cannot be tested."""
    reason = why_untestable(n_methods, n_blocks)
    if reason:
        raise ValueError(reason)
