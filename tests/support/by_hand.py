"""Scores computed anew from the description in docs/benchmarks.md, by scikit-learn alone."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

STRENGTHS = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)


def turns(split: dict[str, Sequence[str]]) -> list[list[str]]:
    """Validation subjects in turn: those of the split, then the others in groups of that size."""
    train, validation = list(split["train"]), list(split["validation"])
    order = np.random.default_rng(0).permutation(train)
    n_groups = max(1, round(len(train) / len(validation)))
    return [validation, *(group.tolist() for group in np.array_split(order, n_groups))]


def choose_strength(
    features: np.ndarray, labels: np.ndarray, subjects: np.ndarray, split: dict[str, Sequence[str]]
) -> float:
    """The C with the best mean macro F1 on validation subjects, the smallest of equals."""
    everybody = [*split["train"], *split["validation"]]
    means = []
    for C in STRENGTHS:
        scores = []
        for group in turns(split):
            chosen_on = np.isin(subjects, group)
            fitted_on = np.isin(subjects, everybody) & ~chosen_on
            model = logistic(C).fit(features[fitted_on], labels[fitted_on])
            predicted = model.predict(features[chosen_on])
            scores.append(f1_score(labels[chosen_on], predicted, average="macro"))
        means.append(np.mean(scores))
    return STRENGTHS[int(np.argmax(means))]


def logistic(C: float) -> LogisticRegression:
    """The classifier of the head ``linear``."""
    return LogisticRegression(C=C, max_iter=1000, tol=1e-3)


def linear_predictions(
    features: np.ndarray, labels: np.ndarray, subjects: np.ndarray, split: dict[str, Sequence[str]]
) -> np.ndarray:
    """Classes of the test windows by a logistic regression on all labels of the others."""
    C = choose_strength(features, labels, subjects, split)
    test = np.isin(subjects, split["test"])
    return logistic(C).fit(features[~test], labels[~test]).predict(features[test])
