import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from tsclr.evaluate import scores
from tsclr.evaluate.scores import (
    balanced_accuracy,
    bootstrap_weights,
    class_f1,
    confusions,
    macro_f1,
    pooled_macro_f1,
    summarise,
)

CLASSES = ("a", "b", "c")


@pytest.fixture
def labelled() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 300)
    predicted = np.where(generator.random(300) < 0.7, truth, generator.integers(0, 3, 300))
    return truth, predicted, generator.choice(np.array(["1", "2", "10"]), 300)


def test_f1_equals_that_of_scikit_learn(labelled: tuple) -> None:
    truth, predicted, subjects = labelled
    counts = confusions(truth, predicted, subjects, 3)
    total = counts.sum(0)
    assert macro_f1(total) == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert class_f1(total) == pytest.approx(f1_score(truth, predicted, average=None))
    for subject, own in zip(np.unique(subjects), counts, strict=True):
        mine = subjects == subject
        expected = f1_score(truth[mine], predicted[mine], average="macro")
        assert macro_f1(own) == pytest.approx(expected)


def test_a_class_that_is_nowhere_does_not_count() -> None:
    counts = np.array([[5, 0, 0], [0, 5, 0], [0, 0, 0]])
    assert macro_f1(counts) == 1.0
    assert np.isnan(class_f1(counts)[2])


def test_balanced_accuracy_leaves_out_a_class_that_is_not_there() -> None:
    counts = np.array([[8, 0, 2], [2, 2, 0], [0, 0, 0]])
    assert balanced_accuracy(counts) == pytest.approx((8 / 10 + 2 / 4) / 2)


def test_pools_are_those_of_a_loop_however_little_memory_there_is(
    labelled: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, predicted, subjects = labelled
    counts = np.stack(
        [confusions(truth, np.roll(predicted, shift), subjects, 3) for shift in range(4)]
    )
    weights = bootstrap_weights(3, np.random.default_rng(0))
    assert (weights.sum(1) == 3).all()
    slow = [
        np.mean([macro_f1(draw[np.repeat(np.arange(3), often)].sum(0)) for draw in counts])
        for often in weights
    ]
    numbers_of_a_pool = 2 * 4 * 3
    for chunk in (scores.CHUNK, 7 * numbers_of_a_pool, 1):
        monkeypatch.setattr(scores, "CHUNK", chunk)
        assert pooled_macro_f1(counts, weights) == pytest.approx(slow, abs=1e-14)


def test_summary_gives_mean_spread_and_intervals(labelled: tuple) -> None:
    truth, predicted, subjects = labelled
    other = np.roll(predicted, 1)
    counts = np.stack([confusions(truth, p, subjects, 3) for p in (predicted, other)])
    row = summarise(counts, CLASSES)
    f1s = [f1_score(truth, p, average="macro") for p in (predicted, other)]
    balanced = [balanced_accuracy_score(truth, p) for p in (predicted, other)]
    accuracies = [accuracy_score(truth, p) for p in (predicted, other)]
    assert row["draws"] == 2
    assert row["macro_f1_mean"] == pytest.approx(np.mean(f1s))
    assert row["macro_f1_sd"] == pytest.approx(np.std(f1s, ddof=1))
    assert row["accuracy_mean"] == pytest.approx(np.mean(accuracies))
    assert row["accuracy_sd"] == pytest.approx(np.std(accuracies, ddof=1))
    assert row["balanced_accuracy_mean"] == pytest.approx(np.mean(balanced))
    assert row["balanced_accuracy_sd"] == pytest.approx(np.std(balanced, ddof=1))
    weighted = [f1_score(truth, p, average="weighted") for p in (predicted, other)]
    assert row["weighted_f1_mean"] == pytest.approx(np.mean(weighted))
    reach = t.ppf(0.975, 1) * np.std(f1s, ddof=1) / np.sqrt(2)
    assert row["macro_f1_ci_draws"] == pytest.approx([np.mean(f1s) - reach, np.mean(f1s) + reach])
    low, high = row["macro_f1_ci_subjects"]
    assert low < row["macro_f1_mean"] < high
    assert np.sum(row["confusion"]) == 600
    assert list(row["per_class_f1"]) == list(CLASSES)


def test_the_interval_over_subjects_is_that_of_a_slow_bootstrap(labelled: tuple) -> None:
    truth, predicted, subjects = labelled
    counts = confusions(truth, predicted, subjects, 3)
    generator = np.random.default_rng(1)
    slow = [macro_f1(counts[generator.integers(0, 3, 3)].sum(0)) for _ in range(4000)]
    found = summarise(counts[None], CLASSES)["macro_f1_ci_subjects"]
    assert found == pytest.approx(np.percentile(slow, [2.5, 97.5]), abs=0.01)


def test_a_class_nobody_has_seen_has_no_score() -> None:
    counts = np.array([[[[5, 0, 0], [1, 5, 0], [0, 0, 0]]]])
    assert summarise(counts, CLASSES)["per_class_f1"]["c"] is None


def test_one_draw_has_no_interval_over_draws(labelled: tuple) -> None:
    row = summarise(confusions(*labelled, 3)[None], CLASSES)
    assert row["macro_f1_ci_draws"] is None
    assert row["macro_f1_sd"] == 0.0
