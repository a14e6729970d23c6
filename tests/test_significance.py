"""Comparisons of methods: slow references, cases by hand, and how often a null is rejected."""

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.metrics import f1_score
from statsmodels.stats.multitest import multipletests

from tsclr.evaluate import significance
from tsclr.evaluate.power import least_p
from tsclr.evaluate.scores import macro_f1
from tsclr.evaluate.significance import compare, compare_datasets, holm, paired

N_DRAWS, N_CLASSES = 3, 3


def simulated(
    generator: np.random.Generator, n_subjects: int, skills: tuple[float, ...], n_windows: int = 30
) -> list[np.ndarray]:
    """Counts of methods: `skills` are how often each is right, on subjects easy and hard."""
    ease = generator.normal(0, 0.12, n_subjects)
    truth = generator.integers(0, N_CLASSES, (n_subjects, n_windows))
    return [
        np.stack(
            [
                np.stack(
                    [
                        one_subject(generator, truth[subject], skill + ease[subject])
                        for subject in range(n_subjects)
                    ]
                )
                for _ in range(N_DRAWS)
            ]
        )
        for skill in skills
    ]


def one_subject(generator: np.random.Generator, truth: np.ndarray, skill: float) -> np.ndarray:
    guess = generator.integers(0, N_CLASSES, len(truth))
    predicted = np.where(generator.random(len(truth)) < skill, truth, guess)
    counts = np.zeros((N_CLASSES, N_CLASSES), int)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def slow_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Difference of mean macro F1 over draws, of scikit-learn on predictions spelled out."""
    return slow_score(a) - slow_score(b)


def slow_score(counts: np.ndarray) -> float:
    scores = []
    for draw in counts:
        pooled = draw.sum(0)
        cells = [cell for cell in np.ndindex(pooled.shape) for _ in range(pooled[cell])]
        truth, predicted = np.array(cells).T
        scores.append(f1_score(truth, predicted, average="macro"))
    return float(np.mean(scores))


def slow_p(a: np.ndarray, b: np.ndarray) -> float:
    """Share of all swaps with as large a difference, swap by swap."""
    observed = abs(fast_difference(a, b))
    as_large = [
        abs(fast_difference(*swapped(a, b, np.array(swap)))) >= observed - 1e-12
        for swap in product([False, True], repeat=a.shape[1])
    ]
    return float(np.mean(as_large))


def fast_difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.mean(macro_f1(a.sum(1))) - np.mean(macro_f1(b.sum(1))))


def swapped(a: np.ndarray, b: np.ndarray, swap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    of_subject = swap[None, :, None, None]
    return np.where(of_subject, b, a), np.where(of_subject, a, b)


# Two methods


def test_difference_and_p_value_are_those_of_loops():
    a, b = simulated(np.random.default_rng(1), 6, (0.7, 0.6))
    result = paired(a, b)
    assert result.difference == pytest.approx(slow_difference(a, b))
    assert result.p == slow_p(a, b)


def test_interval_is_that_of_a_slow_bootstrap_of_the_same_subjects_for_both():
    a, b = simulated(np.random.default_rng(2), 9, (0.7, 0.5))
    generator = np.random.default_rng(0)
    slow = []
    for _ in range(4000):
        drawn = generator.integers(0, 9, 9)
        slow.append(fast_difference(a[:, drawn], b[:, drawn]))
    result = paired(a, b)
    spread = np.std(slow)
    assert [result.low, result.high] == pytest.approx(
        np.percentile(slow, [2.5, 97.5]), abs=0.15 * spread
    )
    assert result.low < result.difference < result.high


def test_an_interval_of_equal_gains_is_narrower_than_that_of_either_method():
    """Subjects differ more than methods: pairing takes the subjects out."""
    a, b = simulated(np.random.default_rng(3), 10, (0.75, 0.7), n_windows=200)
    result = paired(a, b)
    generator = np.random.default_rng(0)
    apart = [
        fast_difference(a[:, generator.integers(0, 10, 10)], b[:, generator.integers(0, 10, 10)])
        for _ in range(2000)
    ]
    low, high = np.percentile(apart, [2.5, 97.5])
    assert result.high - result.low < 0.7 * (high - low)


@pytest.mark.parametrize(("n_subjects", "p"), [(2, 0.5), (3, 0.25), (6, 2 / 64), (13, 2 / 8192)])
def test_a_method_that_is_better_on_everybody_has_the_smallest_p_value(n_subjects, p):
    """Each swap takes something away, so only none and all are as large: 2 / 2^S."""
    good = np.tile(np.array([[5, 0], [1, 4]]), (2, n_subjects, 1, 1))
    bad = np.tile(np.array([[4, 1], [1, 4]]), (2, n_subjects, 1, 1))
    result = paired(good, bad)
    f1_good, f1_bad = (10 / 11 + 8 / 9) / 2, 8 / 10
    assert result.difference == pytest.approx(f1_good - f1_bad)
    assert result.p == p
    assert [result.low, result.high] == pytest.approx([f1_good - f1_bad] * 2)


def test_two_subjects_that_disagree_by_hand():
    """Alone, a wins on the first and b on the second by as much, so every swap but two is tied.

    Pools: a has [[2, 0], [0, 2]] + [[0, 2], [2, 0]] and b the reverse: both [[2, 2], [2, 2]].
    """
    right, wrong = np.array([[2, 0], [0, 2]]), np.array([[0, 2], [2, 0]])
    a, b = np.stack([right, wrong])[None], np.stack([wrong, right])[None]
    result = paired(a, b)
    assert (result.difference, result.p) == (0.0, 1.0)
    assert (result.low, result.high) == (-1.0, 1.0)


def test_a_method_against_itself_differs_in_nothing():
    (a,) = simulated(np.random.default_rng(0), 14, (0.6,))
    result = paired(a, a)
    assert (result.difference, result.low, result.high, result.p) == (0.0, 0.0, 0.0, 1.0)


def test_drawn_swaps_estimate_the_p_value_of_all_swaps(monkeypatch):
    monkeypatch.setattr(significance, "N_SWAPS", 1000)
    a, b = simulated(np.random.default_rng(4), 10, (0.65, 0.6))  # 2^10 swaps are more than 1000
    exact = slow_p(a, b)
    assert 0.02 < exact < 0.5
    error = math.sqrt(exact * (1 - exact) / 1000)
    p = paired(a, b).p
    assert p == pytest.approx(exact, abs=4 * error)
    assert p * 1001 == pytest.approx(round(p * 1001))  # (1 + n) / (1 + 1000)


def test_no_p_value_of_drawn_swaps_is_zero():
    a, b = simulated(np.random.default_rng(0), 20, (0.95, 0.2))
    assert paired(a, b).p == 1 / (1 + significance.N_SWAPS)


@pytest.mark.parametrize("n_subjects", [5, 15])
def test_the_other_way_round_only_the_sign_changes(n_subjects):
    a, b = simulated(np.random.default_rng(4), n_subjects, (0.7, 0.6))
    there, back = paired(a, b), paired(b, a)
    assert back.difference == -there.difference
    assert [back.low, back.high] == pytest.approx([-there.high, -there.low])
    assert back.p == there.p


@pytest.mark.parametrize("n_subjects", [7, 12])
def test_swapping_any_subject_keeps_the_exact_p_value_set(n_subjects):
    """All swaps of swapped counts are all swaps again: the largest difference has the least p."""
    a, b = simulated(np.random.default_rng(5), n_subjects, (0.7, 0.6))
    generator = np.random.default_rng(0)
    results = [paired(*swapped(a, b, generator.random(n_subjects) < 0.5)) for _ in range(8)]
    by_size = sorted(results, key=lambda result: -abs(result.difference))
    ps = [result.p for result in by_size]
    assert ps == sorted(ps)


def test_the_order_of_subjects_and_draws_does_not_matter():
    a, b = simulated(np.random.default_rng(6), 11, (0.7, 0.63))
    subjects, draws = np.random.default_rng(0).permutation(11), [2, 0, 1]
    result, other = paired(a, b), paired(a[draws][:, subjects], b[draws][:, subjects])
    assert other.difference == pytest.approx(result.difference)
    assert other.p == result.p
    width = result.high - result.low
    assert [other.low, other.high] == pytest.approx([result.low, result.high], abs=0.1 * width)


def test_the_same_seed_gives_the_same_result():
    a, b = simulated(np.random.default_rng(8), 15, (0.7, 0.68))
    assert paired(a, b, seed=3) == paired(a, b, seed=3)
    assert paired(a, b, seed=3) != paired(a, b, seed=4)


@pytest.mark.parametrize("n_subjects", [8, 14])
def test_methods_that_are_alike_are_rejected_as_often_as_stated(n_subjects):
    n_trials = 200
    generator = np.random.default_rng(n_subjects)
    ps = [paired(*simulated(generator, n_subjects, (0.6, 0.6))).p for _ in range(n_trials)]
    for level in (0.05, 0.2, 0.5):
        low, high = binom.ppf([0.001, 0.999], n_trials, level)
        assert low <= np.sum(np.array(ps) < level) <= high


def test_the_interval_of_three_subjects_is_too_narrow():
    """It is their range, and misses 0 where all three differ in one direction: 2 / 2^3."""
    n_trials = 300
    generator = np.random.default_rng(0)
    results = [paired(*simulated(generator, 3, (0.6, 0.6))) for _ in range(n_trials)]
    held = sum(result.low <= 0 <= result.high for result in results)
    low, high = binom.ppf([0.001, 0.999], n_trials, 1 - 2 / 2**3)
    assert low <= held <= high


def test_a_clear_gain_is_mostly_found():
    generator = np.random.default_rng(0)
    ps = [paired(*simulated(generator, 10, (0.75, 0.6))).p for _ in range(40)]
    assert np.mean(np.array(ps) < 0.05) > 0.9


def test_a_class_that_a_bootstrap_sample_lacks_does_not_count():
    only_first = np.array([[4, 0], [0, 0]])
    only_second = np.array([[0, 0], [1, 3]])
    a = np.stack([only_first, only_second])[None]
    result = paired(a, a)
    assert (result.low, result.high) == (0.0, 0.0)


def test_counts_that_do_not_go_together_are_refused():
    a, b = simulated(np.random.default_rng(0), 4, (0.7, 0.6))
    with pytest.raises(ValueError, match=r"a has counts of shape \(3, 4, 3, 3\), b of \(2, 4"):
        paired(a, b[:2])
    with pytest.raises(ValueError, match="a has 1 test subject"):
        paired(a[:, :1], b[:, :1])
    with pytest.raises(ValueError, match="different true classes in draw 0 of subject 1"):
        paired(a, b[:, [0, 2, 1, 3]])
    b[1, 2] = a[1, 2] = 0
    with pytest.raises(ValueError, match="a has no window of subject 2 in draw 1"):
        paired(a, b)


# Families of comparisons


@pytest.mark.parametrize("seed", range(20))
def test_holm_is_that_of_statsmodels(seed):
    generator = np.random.default_rng(seed)
    p = generator.random(1 + seed).round(1 + seed % 3) * generator.choice([0.1, 1])  # some tie
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], rtol=1e-12)


def test_holm_by_hand():
    """Of 4: 4 · 0.01, 3 · 0.02, then 2 · 0.02 held at 0.06, 1 · 0.9."""
    np.testing.assert_allclose(holm(np.array([0.9, 0.02, 0.01, 0.02])), [0.9, 0.06, 0.04, 0.06])
    assert len(holm(np.array([]))) == 0


@pytest.mark.parametrize("wrong", [-0.1, 1.1, np.nan])
def test_holm_refuses_what_is_no_probability(wrong):
    with pytest.raises(ValueError, match="a p value lies between 0 and 1, got"):
        holm(np.array([0.5, wrong]))


@pytest.fixture
def three() -> dict[str, np.ndarray]:
    counts = simulated(np.random.default_rng(9), 10, (0.8, 0.75, 0.4))
    return dict(zip(("SimCLR", "VICReg", "random"), counts, strict=True))


def test_every_pair_is_compared_once_and_p_values_are_adjusted_together(three):
    frame = compare(three)
    pairs = [("SimCLR", "VICReg"), ("SimCLR", "random"), ("VICReg", "random")]
    assert list(zip(frame["method"], frame["against"], strict=True)) == pairs
    for (method, against), row in zip(pairs, frame.itertuples(), strict=True):
        result = paired(three[method], three[against])
        assert (row.difference, row.low, row.high, row.p) == (
            result.difference,
            result.low,
            result.high,
            result.p,
        )
    np.testing.assert_allclose(frame["p_holm"], multipletests(frame["p"], method="holm")[1])


def alike_on_all(counts: list[list[int]], n_subjects: int) -> np.ndarray:
    return np.tile(np.array(counts), (1, n_subjects, 1, 1))


@pytest.mark.parametrize("n_others", [1, 3])
@pytest.mark.parametrize("n_subjects", [2, 3, 6, 13, 20])
def test_the_least_p_is_that_of_methods_that_are_worse_on_everybody(n_subjects, n_others):
    """No result is stronger; of 20 subjects, no drawn swap is that of nobody or of everybody."""
    bad = alike_on_all([[4, 1], [1, 4]], n_subjects)
    counts = {"good": alike_on_all([[5, 0], [1, 4]], n_subjects)} | dict.fromkeys(
        map(str, range(n_others)), bad
    )
    least = least_p(n_subjects, n_others)
    assert compare(counts, "good")["p_holm"].to_list() == pytest.approx([least] * n_others)


def test_no_least_p_without_a_comparison():
    with pytest.raises(ValueError, match="1 comparisons over 1 test subjects"):
        least_p(1)
    with pytest.raises(ValueError, match="0 comparisons over 6 test subjects"):
        least_p(6, 0)


def test_a_reference_is_compared_with_each_other_method(three):
    frame = compare(three, reference="random", seed=2)
    assert frame["method"].to_list() == ["SimCLR", "VICReg"]
    assert (frame["against"] == "random").all()
    assert (frame["difference"] > 0.1).all()
    np.testing.assert_allclose(frame["p_holm"], np.minimum(1, 2 * frame["p"]))


def test_comparisons_that_cannot_be_made_are_refused(three):
    with pytest.raises(ValueError, match="2 methods or more, got SimCLR"):
        compare({"SimCLR": three["SimCLR"]})
    with pytest.raises(ValueError, match="2 methods or more, got none"):
        compare({})
    with pytest.raises(KeyError, match="no method 'simclr': did you mean SimCLR"):
        compare(three, reference="simclr")
    with pytest.raises(ValueError, match=r"SimCLR has counts of shape .*, other of"):
        compare(three | {"other": three["random"][:1]})


# Several datasets


@pytest.fixture
def two_datasets() -> dict[str, dict[str, np.ndarray]]:
    """Two methods on four and on five people, who are not shown the same number of windows."""
    generator = np.random.default_rng(12)
    return {
        name: dict(zip("ab", simulated(generator, n, (0.75, 0.6), n_windows), strict=True))
        for name, (n, n_windows) in {"small": (4, 20), "large": (5, 40)}.items()
    }


def test_people_of_several_datasets_are_swapped_and_weighted_as_in_a_loop(two_datasets):
    small, large = two_datasets.values()

    def weighted(swap: np.ndarray) -> float:
        parts = (small, swap[:4], 4 / 9), (large, swap[4:], 5 / 9)
        return sum(
            weight * fast_difference(*swapped(counts["a"], counts["b"], part))
            for counts, part, weight in parts
        )

    observed = weighted(np.zeros(9, bool))
    p = np.mean(
        [
            abs(weighted(np.array(swap))) >= abs(observed) - 1e-12
            for swap in product([False, True], repeat=9)
        ]
    )
    (row,) = compare_datasets(two_datasets, "b").to_dict("records")
    assert row["difference"] == pytest.approx(observed)
    assert row["p"] == p
    assert row["low"] < row["difference"] < row["high"]


def test_people_are_drawn_within_their_dataset(two_datasets):
    generator, slow = np.random.default_rng(0), []
    for _ in range(3000):
        drawn = [
            (counts, generator.integers(0, n, n), n / 9)
            for counts, n in zip(two_datasets.values(), (4, 5), strict=True)
        ]
        slow.append(sum(w * fast_difference(c["a"][:, who], c["b"][:, who]) for c, who, w in drawn))
    (row,) = compare_datasets(two_datasets, "b").to_dict("records")
    assert [row["low"], row["high"]] == pytest.approx(
        np.percentile(slow, [2.5, 97.5]), abs=0.2 * np.std(slow)
    )


def test_one_dataset_alone_is_compared_as_ever(three):
    pd.testing.assert_frame_equal(
        compare_datasets({"one": three}, "SimCLR", seed=3), compare(three, "SimCLR", seed=3)
    )


def test_more_people_prove_what_neither_dataset_does():
    generator = np.random.default_rng(3)
    counts = {
        name: dict(zip("ab", simulated(generator, 6, (0.72, 0.62)), strict=True)) for name in "xyz"
    }
    alone = [compare(of_dataset, "b")["p"].item() for of_dataset in counts.values()]
    assert compare_datasets(counts, "b")["p"].item() < min(alone)


def test_pooled_methods_that_are_alike_are_rejected_as_often_as_stated():
    n_trials, generator = 150, np.random.default_rng(5)
    ps = [
        compare_datasets(
            {
                name: dict(zip("ab", simulated(generator, n, (0.6, 0.6)), strict=True))
                for name, n in (("one", 5), ("two", 4))
            },
            "b",
        )["p"].item()
        for _ in range(n_trials)
    ]
    for level in (0.05, 0.2, 0.5):
        low, high = binom.ppf([0.001, 0.999], n_trials, level)
        assert low <= np.sum(np.array(ps) < level) <= high


def test_only_methods_that_all_datasets_have_are_compared(three):
    counts = {"one": three, "two": {name: three[name] for name in ("SimCLR", "random")}}
    assert compare_datasets(counts, "random")["method"].to_list() == ["SimCLR"]
    with pytest.raises(KeyError, match="no method 'VICReg' in all datasets"):
        compare_datasets(counts, "VICReg")
    with pytest.raises(ValueError, match="2 methods or more, all of one, two have SimCLR"):
        compare_datasets({"one": three, "two": {"SimCLR": three["SimCLR"]}}, "SimCLR")
