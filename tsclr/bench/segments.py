"""Label sequences in, how well a predicted one divides time into segments out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from tsclr.types import UNLABELLED

OVERLAPS = (0.1, 0.25, 0.5)
"""Least intersection over union of a segment that is found: F1@10, F1@25 and F1@50."""


class Segments(NamedTuple):
    """Runs of one label in the order of time, all (n_segments,) int."""

    start: Int[np.ndarray, " n_segments"]
    stop: Int[np.ndarray, " n_segments"]
    """One after the last sample."""
    label: Int[np.ndarray, " n_segments"]


def segments(labels: Int[np.ndarray, " T"]) -> Segments:
    """Runs of equal labels.

    Parameters
    ----------
    labels : (T,) int
        Label of each sample; a run of -1 is a run like the others.

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
    """Both sequences without the samples that have no true label.

    Parameters
    ----------
    truth, predicted : (T,) int
        Label of each sample; -1 in `truth` where there is none.

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
            f"{len(predicted)} predicted labels for {len(truth)} true ones: "
            "give one for every sample"
        )
    kept = truth != UNLABELLED
    return truth[kept], predicted[kept]


def edit_score(truth: Int[np.ndarray, " T"], predicted: Int[np.ndarray, " _"]) -> float:
    """Whether the right segments come in the right order, however long they are.

    With d the Levenshtein distance between the labels of the n true and the m predicted segments,
    1 - d / max(n, m); NaN where no sample has a true label.

    Parameters
    ----------
    truth, predicted : (T,) int
        Label of each sample; -1 in `truth` where there is none.

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
    own, other = (segments(labels).label for labels in known(truth, predicted))
    if not len(own):
        return float("nan")
    return 1 - _levenshtein(own, other) / max(len(own), len(other))


def _levenshtein(one: np.ndarray, other: np.ndarray) -> int:
    """Fewest insertions, deletions and substitutions; a row of the table at a time."""
    places = np.arange(len(other) + 1)
    row = places
    for count, label in enumerate(one, 1):
        best = np.minimum(row + 1, np.append(count, row[:-1] + (other != label)))
        row = np.minimum.accumulate(best - places) + places  # insertions, each of which costs 1
    return int(row[-1])


def segment_matches(
    truth: Int[np.ndarray, " T"],
    predicted: Int[np.ndarray, " _"],
    overlaps: Sequence[float] = OVERLAPS,
) -> Int[np.ndarray, "n_overlaps 3"]:
    """Count true positives, false positives and false negatives among segments.

    A predicted segment is held against the true one of its class with the largest intersection
    over union. It is a true positive if that is at least the overlap asked for; of several that
    find the same true segment all but one are false positives. A true segment that none finds is
    a false negative. Counts of recordings may be added up.

    Parameters
    ----------
    truth, predicted : (T,) int
        Label of each sample; -1 in `truth` where there is none.
    overlaps : sequence of float
        Least intersection over union, in (0, 1].

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
    own, other = (segments(labels) for labels in known(truth, predicted))
    if not len(own.label):
        return np.zeros((len(overlaps), 3), int)
    shared = np.minimum(other.stop[:, None], own.stop) - np.maximum(other.start[:, None], own.start)
    either = np.maximum(other.stop[:, None], own.stop) - np.minimum(other.start[:, None], own.start)
    ratio = np.where(other.label[:, None] == own.label, shared / either, 0.0)
    closest, ratio = ratio.argmax(1), ratio.max(1)
    found = np.array([len(np.unique(closest[ratio >= overlap])) for overlap in overlaps])
    return np.stack([found, len(other.label) - found, len(own.label) - found], 1)


def matches_f1(matches: Int[np.ndarray, "... 3"]) -> Float[np.ndarray, "..."]:
    """F1 = 2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall; NaN of nothing.

    Parameters
    ----------
    matches : (…, 3) int
        True positives, false positives and false negatives.

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

    Parameters
    ----------
    truth, predicted : (T,) int
        Label of each sample; -1 in `truth` where there is none.
    overlaps : sequence of float
        Least intersection over union k / 100, in (0, 1].

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
