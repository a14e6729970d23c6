"""Confusion counts in, scores with their spread over draws and subjects out."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import t
from sklearn.metrics import confusion_matrix

N_RESAMPLES = 2000


def confusions(
    truth: Int[np.ndarray, " N"],
    predicted: Int[np.ndarray, " N"],
    subjects: np.ndarray,
    n_classes: int,
) -> Int[np.ndarray, "subjects K K"]:
    """Confusion counts of each subject, rows for the truth.

    Parameters
    ----------
    truth, predicted : (N,) int
        Classes.
    subjects : (N,) str
        Whose window it is.
    n_classes : int
        K.
    """
    return np.stack(
        [
            confusion_matrix(truth[mine], predicted[mine], labels=np.arange(n_classes))
            for mine in (subjects == subject for subject in np.unique(subjects))
        ]
    )


def class_f1(counts: Float[np.ndarray, "... K K"] | Int[np.ndarray, "... K K"]) -> np.ndarray:
    """F1 of each class, NaN for a class that is neither there nor predicted.

    Parameters
    ----------
    counts : (…, K, K)
        Confusion counts, rows for the truth.

    Examples
    --------
    >>> class_f1(np.array([[3, 1], [0, 4]])).round(3)
    array([0.857, 0.889])
    """
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    marked = counts.sum(-1) + counts.sum(-2)
    with np.errstate(invalid="ignore"):
        return 2 * right / marked


def macro_f1(
    counts: Float[np.ndarray, "... K K"] | Int[np.ndarray, "... K K"],
) -> np.ndarray | np.float64:
    """Mean F1 over classes.

    Parameters
    ----------
    counts : (…, K, K)
        Confusion counts, rows for the truth.

    Examples
    --------
    >>> macro_f1(np.array([[3, 1], [0, 4]])).round(3)
    np.float64(0.873)
    """
    return np.nanmean(class_f1(counts), axis=-1)


def summarise(
    counts: Int[np.ndarray, "draws subjects K K"], classes: tuple[str, ...], seed: int = 0
) -> dict[str, Any]:
    """Scores of one cell of a table.

    The interval over draws is Student's, of the mean; the one over subjects is a percentile
    bootstrap that draws test subjects with replacement and keeps all draws of labels.

    Parameters
    ----------
    counts : (draws, subjects, K, K) int
        Confusion counts of each draw of labels and each test subject.
    classes : tuple of str
        K names.
    seed : int
        Seed of the bootstrap.
    """
    total = counts.sum(1)
    scores = np.asarray(macro_f1(total))
    accuracy = np.trace(total, axis1=1, axis2=2) / total.sum((1, 2))
    over_subjects = _resampled(counts, seed)
    by_class = class_f1(total).T
    return {
        "draws": len(scores),
        "macro_f1_mean": float(scores.mean()),
        "macro_f1_sd": _sd(scores),
        "macro_f1_ci_draws": _student(scores),
        "macro_f1_ci_subjects": np.percentile(over_subjects, [2.5, 97.5]).tolist(),
        "macro_f1_sd_subjects": _sd(np.asarray(macro_f1(counts)).mean(0)),
        "accuracy_mean": float(accuracy.mean()),
        "accuracy_sd": _sd(accuracy),
        "per_class_f1": {name: _known(f1) for name, f1 in zip(classes, by_class, strict=True)},
        "confusion": total.sum(0).tolist(),
    }


def _sd(values: np.ndarray) -> float:
    """Standard deviation of a sample; 0 for a single value."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def _known(values: np.ndarray) -> float | None:
    """Mean over draws of what is defined; none for a class that no draw has seen."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else None


def _student(scores: np.ndarray) -> list[float] | None:
    """95 % interval of the mean; there is none from a single draw."""
    if len(scores) < 2:
        return None
    reach = t.ppf(0.975, len(scores) - 1) * scores.std(ddof=1) / np.sqrt(len(scores))
    return [float(scores.mean() - reach), float(scores.mean() + reach)]


def _resampled(counts: np.ndarray, seed: int) -> np.ndarray:
    """Mean macro F1 over draws, for each bootstrap sample of subjects."""
    n_subjects = counts.shape[1]
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), N_RESAMPLES)
    return np.asarray(macro_f1(np.einsum("rs,dskl->rdkl", weights, counts))).mean(1)
