"""Confusion counts of methods on the same test subjects in, significance of differences out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.stats import permutation_test

from tsclr.evaluate.scores import bootstrap_weights, pooled_macro_f1
from tsclr.specs import nearest

Counts = Int[np.ndarray, "_draws _subjects _K _K"]
"""Confusion counts of each draw of labels and each test subject, rows for the truth."""

N_SWAPS = 10_000
"""Most swaps that are tried: all of them if there are no more, otherwise a random sample."""
LEVEL = 0.05
"""A difference whose p is at most this is called proven."""
N_DECIMALS = 12
"""Differences of macro F1 that agree to so many decimals are equal except for rounding errors."""


@dataclass(frozen=True)
class Paired:
    """Difference of two methods over the same subjects.

    Parameters
    ----------
    difference : float
        Macro F1 of the first minus that of the second, mean over draws.
    low, high : float
        95 % interval of the difference over subjects.
    p : float
        Probability of a difference at least as large, in either direction, if the two are alike.
    """

    difference: float
    low: float
    high: float
    p: float


def paired(a: Counts, b: Counts, seed: int = 0) -> Paired:
    """Compare two methods over the same draws of labels and the same test subjects.

    The interval is a percentile bootstrap that draws test subjects with replacement, the same for
    both methods. The p value is that of a randomisation test: if the methods are alike, their
    counts of a subject could as well be swapped, all draws of it together. It is exact over all
    2^S swaps of S ≤ 13 subjects, else of 10,000 drawn ones with (1 + n) / (1 + 10,000). So it is
    at least 2^(1 - S), and 5 subjects or fewer can never give p < 0.05.

    With few subjects the interval is too narrow: in 500 simulated comparisons of methods that are
    alike, it contained 0 in 87 % with 8 subjects and in 89 % with 14. With 3 it is the range of the
    three and contains 0 in about 75 %, 1 - 2 / 2^3. The p value keeps its level, so trust the
    p value.

    Parameters
    ----------
    a, b : (draws, subjects, K, K) int
        Confusion counts of the two methods, rows for the truth; draws and subjects in one order.
    seed : int
        Seed of the bootstrap and of the swaps.

    Raises
    ------
    ValueError
        If the shapes differ, a subject has no window, there are fewer than 2 subjects, or the two
        were not tested on the same windows.

    References
    ----------
    .. [1] E. S. Edgington, P. Onghena, Randomization Tests, 4th ed., 2007 (paired designs).
    .. [2] B. Phipson, G. K. Smyth, "Permutation p-values should never be zero", SAGMB 9(1), 2010,
       eq. 2 (the 1 that is added).

    Examples
    --------
    Six subjects, five windows of each of two classes; the first method errs once on everybody, the
    second twice:

    >>> a = np.tile([[5, 0], [1, 4]], (1, 6, 1, 1))
    >>> b = np.tile([[4, 1], [1, 4]], (1, 6, 1, 1))
    >>> result = paired(a, b)
    >>> round(result.difference, 3), result.p == 2 / 2**6
    (0.099, True)
    """
    _require_same_test({"a": a, "b": b})
    return _compare([(a, b)], seed)


def compare(
    counts: Mapping[str, Counts], reference: str | None = None, seed: int = 0
) -> pd.DataFrame:
    """Compare methods on one dataset: each with a reference, or every pair.

    p_holm is never below `tsclr.evaluate.power.least_p`. With few subjects, comparing every pair of
    many methods therefore cannot prove anything, while a reference keeps the number of comparisons
    small.

    Parameters
    ----------
    counts : mapping of str to (draws, subjects, K, K) int
        Confusion counts of each method, as for `paired`.
    reference : str, optional
        Method to compare all others with; every pair is compared by default.
    seed : int
        Seed of every comparison, so that all share their bootstrap samples of subjects.

    Returns
    -------
    DataFrame
        One row per comparison: method, against, difference (method minus against), low, high, p,
        and p_holm, adjusted for the number of rows.

    Raises
    ------
    ValueError
        If there are fewer than two methods, or as for `paired`.
    KeyError
        If the reference is not one of the methods.

    Examples
    --------
    >>> good, bad = np.array([[5, 0], [1, 4]]), np.array([[4, 1], [1, 4]])
    >>> counts = {"SimCLR": np.tile(good, (1, 6, 1, 1)), "random": np.tile(bad, (1, 6, 1, 1))}
    >>> compare(counts, reference="random").round(3)
       method against  difference    low   high      p  p_holm
    0  SimCLR  random       0.099  0.099  0.099  0.031   0.031
    """
    if len(counts) < 2:
        names = ", ".join(counts) or "none"
        raise ValueError(f"a comparison takes 2 methods or more, got {names}")
    if reference is not None and reference not in counts:
        raise KeyError(f"no method {reference!r}: {nearest(reference, counts)}")
    _require_same_test(counts)
    pairs = (
        combinations(counts, 2)
        if reference is None
        else ((method, reference) for method in counts if method != reference)
    )
    return _family(pairs, [counts], seed)


def compare_datasets(
    counts: Mapping[str, Mapping[str, Counts]], reference: str, seed: int = 0
) -> pd.DataFrame:
    """Compare methods over the people of several datasets together: each with a reference.

    The difference is the mean of those of the datasets, each weighted by its people: Σ S_d Δ_d / Σ
    S_d. The randomisation test swaps the two methods' counts of a subject as `paired` does, and
    the bootstrap draws from the subjects of each dataset as many as it has (both are stratified).
    So a result speaks of people like those of the datasets, and not of other datasets. Where the
    methods differ in one direction in some datasets and in the other elsewhere, p is larger than
    the interval suggests: under the null hypothesis, all of that difference is chance.

    Parameters
    ----------
    counts : mapping of str to mapping of str to (draws, subjects, K, K) int
        By the name of the dataset, confusion counts of each method as for `compare`. Classes and
        draws may differ between datasets; nobody may be in two of them.
    reference : str
        Method to compare with every other one that all datasets have.
    seed : int
        Seed of every comparison.

    Returns
    -------
    DataFrame
        As from `compare`.

    Raises
    ------
    ValueError
        If there are fewer than two methods that all datasets have, or as for `paired`.
    KeyError
        If the reference is not one of them.

    Examples
    --------
    Two datasets of three people prove what neither does alone:

    >>> good, bad = np.array([[5, 0], [1, 4]]), np.array([[4, 1], [1, 4]])
    >>> counts = {"SimCLR": np.tile(good, (1, 3, 1, 1)), "random": np.tile(bad, (1, 3, 1, 1))}
    >>> compare(counts, "random")["p"].item()
    0.25
    >>> compare_datasets({"one": counts, "two": counts}, "random")["p"].item()
    0.03125
    """
    datasets = list(counts.values())
    shared = [name for name in datasets[0] if all(name in dataset for dataset in datasets)]
    if len(shared) < 2:
        raise ValueError(
            f"a comparison takes 2 methods or more, all of {', '.join(counts)} have "
            f"{', '.join(shared) or 'none'}"
        )
    if reference not in shared:
        raise KeyError(f"no method {reference!r} in all datasets: {nearest(reference, shared)}")
    strata = [{name: dataset[name] for name in shared} for dataset in datasets]
    for stratum in strata:
        _require_same_test(stratum)
    pairs = [(name, reference) for name in shared if name != reference]
    return _family(pairs, strata, seed)


def holm(p: Float[np.ndarray, " M"]) -> Float[np.ndarray, " M"]:
    """Adjust p values of a family: max over p_j ≤ p_i of min(1, (M - rank_j + 1) p_j).

    Rejecting where the adjusted value is at most α keeps the probability of any false rejection at
    most α, however the tests depend on each other.

    Parameters
    ----------
    p : (M,) float
        p values, in any order.

    Raises
    ------
    ValueError
        If a p value is not between 0 and 1.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal
       of Statistics 6(2), 1979.

    Examples
    --------
    >>> holm(np.array([0.04, 0.01, 0.03]))
    array([0.06, 0.03, 0.06])
    """
    outside = p[~((p >= 0) & (p <= 1))]
    if len(outside):
        raise ValueError(f"a p value lies between 0 and 1, got {outside[0]}")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def _family(
    pairs: Iterable[tuple[str, str]], strata: Sequence[Mapping[str, np.ndarray]], seed: int
) -> pd.DataFrame:
    """A row for each pair of methods, whose p values are adjusted together."""
    frame = pd.DataFrame(
        {"method": one, "against": other}
        | asdict(_compare([(stratum[one], stratum[other]) for stratum in strata], seed))
        for one, other in pairs
    )
    return frame.assign(p_holm=holm(frame["p"].to_numpy()))


def _compare(strata: Sequence[tuple[np.ndarray, np.ndarray]], seed: int) -> Paired:
    """`paired` over one or several datasets, without the check that methods have the same test."""
    generator = np.random.default_rng(seed)
    sizes = [a.shape[1] for a, _ in strata]
    resampled = [bootstrap_weights(size, generator) for size in sizes]
    low, high = np.percentile(_difference(strata, [(w, w) for w in resampled]), [2.5, 97.5])
    everybody = [np.ones((1, size), int) for size in sizes]
    difference = _difference(strata, [(ones, ones) for ones in everybody])
    return Paired(difference.item(), float(low), float(high), _swap_test(strata, generator))


def _difference(
    strata: Sequence[tuple[np.ndarray, np.ndarray]], pools: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Float[np.ndarray, " pools"]:
    """Difference of macro F1 in pools of subjects, mean over datasets weighted by their people."""
    n_people = sum(a.shape[1] for a, _ in strata)
    differences = [
        (pooled_macro_f1(a, first) - pooled_macro_f1(b, second)) * (a.shape[1] / n_people)
        for (a, b), (first, second) in zip(strata, pools, strict=True)
    ]
    return np.sum(differences, axis=0)


def _swap_test(
    strata: Sequence[tuple[np.ndarray, np.ndarray]], generator: np.random.Generator
) -> float:
    """The p value of the difference, over swaps of the two methods' counts of a subject."""
    sizes = [a.shape[1] for a, _ in strata]
    # Both methods in one array, so that a pool can hold some subjects of either.
    both = [np.concatenate(pair, axis=1) for pair in strata]
    mixed = list(zip(both, both, strict=True))

    def size_of_difference(signs: np.ndarray, axis: int) -> np.ndarray:  # noqa: ARG001
        swapped = (signs.reshape(-1, sum(sizes)) < 0).astype(int)
        pools = [
            (np.hstack([1 - part, part]), np.hstack([part, 1 - part]))
            for part in np.split(swapped, np.cumsum(sizes)[:-1], axis=1)
        ]
        # Rounded, because SciPy takes sizes as ties only if they agree to 14 digits.
        return np.abs(_difference(mixed, pools)).round(N_DECIMALS).reshape(signs.shape[:-1])

    # SciPy flips the signs of a single sample: +1 keeps the counts of a subject, -1 swaps them.
    # Its two-sided p doubles one tail, which drawn swaps do not fill evenly; the size has one tail.
    result = permutation_test(
        (np.ones(sum(sizes)),),
        size_of_difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=N_SWAPS,
        alternative="greater",
        rng=generator,
    )
    return float(result.pvalue)


def _require_same_test(counts: Mapping[str, np.ndarray]) -> None:
    """Raise ``ValueError`` unless all methods were tested on the same windows."""
    (name, first), *others = counts.items()
    n_subjects = first.shape[1]
    if n_subjects < 2:
        raise ValueError(f"{name} has {n_subjects} test subject: a comparison takes 2 or more")
    truth = first.sum(-1)
    empty = np.argwhere(truth.sum(-1) == 0)
    if len(empty):
        raise ValueError(f"{name} has no window of subject {empty[0, 1]} in draw {empty[0, 0]}")
    for other, counts_of_other in others:
        if counts_of_other.shape != first.shape:
            raise ValueError(
                f"{name} has counts of shape {first.shape}, {other} of {counts_of_other.shape}: "
                "compare over the same draws, subjects and classes"
            )
        differing = np.argwhere((counts_of_other.sum(-1) != truth).any(-1))
        if len(differing):
            draw, subject = differing[0]
            raise ValueError(
                f"{name} and {other} have different true classes in draw {draw} of subject "
                f"{subject}: compare over the same test windows, draws and subjects in one order"
            )
