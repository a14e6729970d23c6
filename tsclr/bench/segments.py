"""Scores of a predicted label sequence by segments: F1 by overlap, and the edit score."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from tsclr.types import UNLABELLED

OVERLAPS = (0.1, 0.25, 0.5)
"""Least intersection over union that counts as a match: F1@10, F1@25 and F1@50."""


class Segments(NamedTuple):
    """Runs of one label in the order of time, all (n_segments,) int."""

    start: Int[np.ndarray, " n_segments"]
    stop: Int[np.ndarray, " n_segments"]
    """One after the last sample."""
    label: Int[np.ndarray, " n_segments"]


def segments(labels: Int[np.ndarray, " T"]) -> Segments:
    """Runs of equal labels (T,); a run of -1 is a run like the others.

    Examples
    --------
    >>> segments(np.array([3, 3, 0, 0, 0, 3]))
    Segments(start=array([0, 2, 5]), stop=array([2, 5, 6]), label=array([3, 0, 3]))
    """
    starts = np.flatnonzero(np.append(True, labels[1:] != labels[:-1])[: len(labels)])
    return Segments(starts, np.append(starts, len(labels))[1:], labels[starts])


def known(
    truth: Int[np.ndarray, " T"], predicted: Int[np.ndarray, " _"]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Both sequences (T,) without the samples whose true label is -1.

    Raises
    ------
    ValueError
        If one is longer than the other.

    Examples
    --------
    >>> known(np.array([0, -1, 1]), np.array([0, 1, 0]))
    (array([0, 1]), array([0, 0]))
    """
    if len(truth) != len(predicted):
        raise ValueError(
            f"{len(predicted)} predicted labels for {len(truth)} true ones: give one per sample"
        )
    is_labelled = truth != UNLABELLED
    return truth[is_labelled], predicted[is_labelled]


def edit_score(truth: Int[np.ndarray, " T"], predicted: Int[np.ndarray, " _"]) -> float:
    """Whether the segments are right and in the right order, whatever their lengths.

    With d the Levenshtein distance between the labels of the n true and the m predicted segments,
    1 - d / max(n, m); NaN where no sample has a true label.

    Raises
    ------
    ValueError
        If one is longer than the other.

    References
    ----------
    Lea et al., *Segmental spatiotemporal CNNs for fine-grained action segmentation*, ECCV 2016,
    https://doi.org/10.1007/978-3-319-46487-9_3

    Examples
    --------
    >>> edit_score(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 2, 2]))
    1.0
    >>> edit_score(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 1, 0, 0, 1, 1]))
    0.5
    """
    true, guessed = (segments(labels).label for labels in known(truth, predicted))
    if not len(true):
        return float("nan")
    return 1 - _levenshtein(true, guessed) / max(len(true), len(guessed))


def _levenshtein(one: np.ndarray, other: np.ndarray) -> int:
    """Fewest insertions, deletions and substitutions; one row of the table at a time."""
    columns = np.arange(len(other) + 1)
    row = columns
    for count, label in enumerate(one, 1):
        best = np.minimum(row + 1, np.append(count, row[:-1] + (other != label)))
        row = np.minimum.accumulate(best - columns) + columns  # insertions, each of which costs 1
    return int(row[-1])


def segment_matches(
    truth: Int[np.ndarray, " T"],
    predicted: Int[np.ndarray, " _"],
    overlaps: Sequence[float] = OVERLAPS,
) -> Int[np.ndarray, "n_overlaps 3"]:
    """Count true positives, false positives and false negatives among segments.

    A predicted segment is matched with the true segment of its class with the largest intersection
    over union. It is a true positive if that is at least the required overlap; of several that
    match the same true segment, all but one are false positives. A true segment without a match is
    a false negative. Counts of recordings may be summed.

    Raises
    ------
    ValueError
        If one sequence is longer than the other, or an overlap is outside (0, 1].

    Examples
    --------
    >>> segment_matches(np.array([0, 0, 0, 0, 1, 1]), np.array([0, 1, 0, 0, 1, 1]), [0.1, 0.6])
    array([[2, 2, 0],
           [1, 3, 1]])
    """
    for overlap in overlaps:
        if not 0 < overlap <= 1:
            raise ValueError(f"overlap {overlap} must be above 0 and at most 1")
    true, guessed = (segments(labels) for labels in known(truth, predicted))
    if not len(true.label):
        return np.zeros((len(overlaps), 3), int)
    start, stop = guessed.start[:, None], guessed.stop[:, None]
    intersection = np.minimum(stop, true.stop) - np.maximum(start, true.start)
    union = np.maximum(stop, true.stop) - np.minimum(start, true.start)
    ratio = np.where(guessed.label[:, None] == true.label, intersection / union, 0.0)
    closest, ratio = ratio.argmax(1), ratio.max(1)
    n_matched = np.array([len(np.unique(closest[ratio >= overlap])) for overlap in overlaps])
    n_true, n_guessed = len(true.label), len(guessed.label)
    return np.stack([n_matched, n_guessed - n_matched, n_true - n_matched], 1)


def matches_f1(matches: Int[np.ndarray, "... 3"]) -> Float[np.ndarray, "..."]:
    """F1 = 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall; NaN if all are 0.

    Examples
    --------
    >>> matches_f1(np.array([[2, 2, 0], [1, 3, 1]])).round(3)
    array([0.667, 0.333])
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * matches[..., 0] / (matches @ np.array([2, 1, 1])))


def f1_at(
    truth: Int[np.ndarray, " T"],
    predicted: Int[np.ndarray, " _"],
    overlaps: Sequence[float] = OVERLAPS,
) -> Float[np.ndarray, " n_overlaps"]:
    """Segmental F1@k: F1 over the segments that `segment_matches` counts.

    Raises
    ------
    ValueError
        If one sequence is longer than the other, or an overlap is outside (0, 1].

    References
    ----------
    Lea et al., CVPR 2017, https://doi.org/10.1109/CVPR.2017.113

    Examples
    --------
    >>> f1_at(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 1, 1]), [0.5, 0.7])
    array([1. , 0.5])
    """
    return matches_f1(segment_matches(truth, predicted, overlaps))
