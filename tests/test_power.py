"""The least difference that so many people can prove: closed forms, and tests that are run."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import nct, norm, t

from tsclr.evaluate.power import POWER, least_difference
from tsclr.evaluate.significance import LEVEL, paired


def of_t_test(n_people: int, level: float) -> float:
    """What a paired t test proves, in standard deviations."""
    critical = t.ppf(1 - level / 2, n_people - 1)
    return brentq(
        lambda size: nct.sf(critical, n_people - 1, size * n_people**0.5) - POWER, 0.01, 20
    )


@pytest.mark.parametrize(("n_people", "n_comparisons"), [(14, 1), (30, 10), (89, 10)])
def test_many_people_prove_what_a_t_test_would(n_people: int, n_comparisons: int) -> None:
    expected = of_t_test(n_people, LEVEL / n_comparisons)
    assert least_difference(n_people, 1.0, n_comparisons) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize(("n_people", "n_comparisons"), [(6, 1), (7, 3), (9, 10)])
def test_where_only_the_least_p_is_enough_all_people_have_to_agree(
    n_people: int, n_comparisons: int
) -> None:
    """The probability that S normal differences are all positive: Φ(δ / σ)^S."""
    expected = norm.ppf(POWER ** (1 / n_people))
    assert least_difference(n_people, 1.0, n_comparisons) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize(("n_people", "n_comparisons"), [(5, 1), (6, 2), (8, 10), (14, 600)])
def test_too_few_people_prove_nothing(n_people: int, n_comparisons: int) -> None:
    assert least_difference(n_people, 0.05, n_comparisons) is None


def test_it_is_in_proportion_to_the_spread_and_falls_with_the_people() -> None:
    assert least_difference(9, 0.2) == pytest.approx(4 * least_difference(9, 0.05))
    by_people = [least_difference(n, 0.05, 3) for n in (8, 10, 13, 20)]
    assert by_people == sorted(by_people, reverse=True)
    assert least_difference(12, 0.05, 10) > least_difference(12, 0.05, 1)


def test_the_test_finds_it_with_the_stated_probability() -> None:
    """A method is right on 12 more of 400 windows of a person on average, give or take."""
    generator, n_people, sd, n_windows = np.random.default_rng(0), 9, 0.03, 400
    gain = least_difference(n_people, sd)
    n_trials, n_proven = 150, 0
    for _ in range(n_trials):
        right = np.full(n_people, 0.7), 0.7 + generator.normal(gain, sd, n_people)
        b, a = (np.stack([of_accuracy(share, n_windows) for share in side])[None] for side in right)
        n_proven += paired(a, b).p <= LEVEL
    assert n_proven / n_trials == pytest.approx(POWER, abs=0.1)


def of_accuracy(share: float, n_windows: int) -> np.ndarray:
    """Counts of two classes of which a share is recognised; macro F1 is that share."""
    right = round(share * n_windows)
    return np.array([[right, n_windows - right], [n_windows - right, right]])
