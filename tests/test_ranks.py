"""Ranks of methods: cases by hand, published examples, and how often a null is rejected."""

import math
from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom
from scipy.stats import f as f_distribution

from tsclr.evaluate.ranks import (
    average_ranks,
    critical_difference,
    friedman,
    groups,
    why_untestable,
)


def some_scores(n_methods: int = 4, n_blocks: int = 6) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(n_methods, n_blocks)) + np.linspace(2, 0, n_methods)[:, None]
    return pd.DataFrame(values, index=[f"m{place}" for place in range(n_methods)])


def test_ranks_by_hand():
    scores = pd.DataFrame(
        [[0.9, 0.5, 0.7], [0.9, 0.6, 0.6], [0.1, 0.6, 0.6], [0.2, 0.6, 0.6]], index=list("abcd")
    )
    ranking = average_ranks(scores)
    expected = {
        "b": (1.5 + 2 + 3) / 3,
        "a": (1.5 + 4 + 1) / 3,
        "d": (3 + 2 + 3) / 3,
        "c": (4 + 2 + 3) / 3,
    }
    assert ranking.average.to_dict() == pytest.approx(expected)
    assert ranking.average.is_monotonic_increasing
    assert (ranking.n_blocks, ranking.n_left_out) == (3, 0)


@pytest.mark.parametrize("missing", [None, np.nan, np.inf])
def test_a_block_without_a_method_is_left_out_and_counted(missing):
    scores = some_scores().astype(object)
    scores.loc["m1", 2] = missing
    ranking = average_ranks(scores)
    assert (ranking.n_blocks, ranking.n_left_out) == (5, 1)
    pd.testing.assert_series_equal(
        ranking.average, average_ranks(some_scores().drop(columns=2)).average
    )
    assert friedman(scores) == friedman(some_scores().drop(columns=2))


@given(arrays(int, (4, 5), elements=st.integers(0, 3)), st.permutations(range(5)))
def test_ranks_sum_up_and_do_not_depend_on_the_order_of_blocks(values, order):
    scores = pd.DataFrame(values, index=list("abcd"))
    average = average_ranks(scores).average
    assert average.sum() == pytest.approx(4 * 5 / 2)
    again = average_ranks(scores[list(order)]).average
    assert again.to_dict() == pytest.approx(average.to_dict())


def test_friedman_and_iman_davenport_by_hand():
    """Ranks without ties: χ² = 12 N / (k (k + 1)) (Σ R² - k (k + 1)² / 4), as Demšar has it."""
    scores = some_scores(5, 8)
    ranks = average_ranks(scores).average.to_numpy()
    chi_square = 12 * 8 / (5 * 6) * (np.sum(ranks**2) - 5 * 6**2 / 4)
    f = 7 * chi_square / (8 * 4 - chi_square)
    result = friedman(scores)
    assert (result.chi_square, result.f) == pytest.approx((chi_square, f))
    assert result.p == pytest.approx(f_distribution.sf(f, 4, 28))


def test_demsars_example():
    """Section 3.2.2: ranks 3.143, 2.000, 2.893, 1.964 on 14 datasets give χ² 9.28 and F 3.69."""
    ranks = np.array([3.143, 2.000, 2.893, 1.964])
    chi_square = 12 * 14 / (4 * 5) * (np.sum(ranks**2) - 4 * 5**2 / 4)
    assert chi_square == pytest.approx(9.28, abs=0.02)
    assert 13 * chi_square / (14 * 3 - chi_square) == pytest.approx(3.69, abs=0.02)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


@pytest.mark.parametrize(
    ("n_methods", "quantile"),
    [
        (3, 2.343),
        (4, 2.569),
        (5, 2.728),
        (6, 2.850),
        (7, 2.949),
        (8, 3.031),
        (9, 3.102),
        (10, 3.164),
    ],
)
def test_critical_differences_are_those_of_demsars_table_5(n_methods, quantile):
    expected = quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * 9))
    assert critical_difference(n_methods, 9) == pytest.approx(expected, rel=4e-4)


def test_blocks_that_all_agree_have_the_p_value_of_chance():
    scores = pd.DataFrame({"a": [3, 2, 1], "b": [9, 8, 7], "c": [5, 4, 0]})
    result = friedman(scores)
    orders = list(permutations(range(3)))
    agreeing = [first == second == third for first, second, third in product(orders, repeat=3)]
    assert result.f == math.inf
    assert result.p == pytest.approx(np.mean(agreeing))


def test_methods_that_tie_everywhere_do_not_differ():
    result = friedman(pd.DataFrame(np.tile([0.5, 0.7], (3, 1))))
    assert (result.chi_square, result.p_chi_square, result.f, result.p) == (0, 1, 0, 1)


def test_friedman_keeps_its_level():
    generator = np.random.default_rng(0)
    ps = [friedman(pd.DataFrame(generator.normal(size=(5, 8)))).p for _ in range(200)]
    low, high = binom.ppf([0.001, 0.999], 200, 0.05)
    assert low <= np.sum(np.array(ps) < 0.05) <= high


def test_so_few_ranks_prove_nothing_and_it_is_said_why():
    two = "3 methods or more, got 2: compare two over test subjects"
    with pytest.raises(ValueError, match=two):
        friedman(some_scores(2, 6))
    with pytest.raises(ValueError, match=two):
        critical_difference(2, 6)
    with pytest.raises(ValueError, match="2 datasets or more, got 1"):
        critical_difference(4, 1)
    assert why_untestable(3, 2) is None


def test_scores_that_cannot_be_ranked_are_refused():
    with pytest.raises(ValueError, match="ranks take 2 methods or more, got 1"):
        average_ranks(some_scores(1))
    with pytest.raises(ValueError, match="method 'm0' has more than one row"):
        average_ranks(pd.concat([some_scores(), some_scores().iloc[:1]]))
    scores = some_scores(3, 2)
    scores.iloc[0, 0] = scores.iloc[1, 1] = np.nan
    with pytest.raises(ValueError, match="none of 2 blocks has a score of all 3 methods"):
        average_ranks(scores)


@pytest.mark.parametrize("seed", range(30))
def test_groups_are_the_largest_within_reach(seed):
    generator = np.random.default_rng(seed)
    ranks = 1 + generator.integers(0, 24, 2 + seed % 8) / 3
    reach = generator.integers(0, 12) / 3
    average = pd.Series(ranks, index=[f"m{place}" for place in range(len(ranks))])
    found = groups(average, reach)
    sets = [set(group) for group in found]
    for first, second in permutations(average.index, 2):
        near = abs(average[first] - average[second]) <= reach + 1e-12
        assert near == any({first, second} <= group for group in sets)
    assert not any(one < other for one, other in permutations(sets, 2))


def test_groups_by_hand():
    average = pd.Series({"d": 3.9, "a": 1.0, "c": 2.9, "b": 2.0})
    assert groups(average, 1.0) == [["a", "b"], ["b", "c"], ["c", "d"]]
    assert groups(average, 0.8) == []
    assert groups(average, 5.0) == [["a", "b", "c", "d"]]
