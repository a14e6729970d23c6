"""An encoder and labelled streams in, a label for every sample and its scores out.

A window slides over each recording with a small stride, a logistic regression predicts the class
probabilities of its middle sample, a moving average smooths them, and each sample gets the label of
the nearest window::

    samples   ···············································
    windows   |=====c=====|
                   |=====c=====|            c = start + length // 2, the centre of a window
                        |=====c=====|
    labels    000000000|1111|22222222 …     the ends get the label of the first and last window

Scores by sample hardly notice a prediction that flickers; scores by segment do (Lea et al.,
*Temporal convolutional networks for action segmentation and detection*, CVPR 2017, the paragraphs
on metrics). The literature prints edit score and F1@k times 100; here they lie in [0, 1] like all
scores of this package. Both are computed after samples without a label are removed, so two runs of
one class with only unlabelled samples between them are one segment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.ndimage import uniform_filter1d
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from tsclr.bench.segments import OVERLAPS, edit_score, known, matches_f1, segment_matches
from tsclr.data.splits import Budget, Split, draw_budget
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.embed.encode import encode
from tsclr.encoders import Encoder
from tsclr.evaluate.heads.linear import LinearHead
from tsclr.evaluate.scores import confusions, macro_f1, summarise
from tsclr.specs import nearest
from tsclr.types import UNLABELLED

SMOOTHING = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0)
"""Candidate lengths of the moving average in s, from none to longer than a transition."""


def smooth(
    probabilities: Float[np.ndarray, "S K"], seconds: float, step: float
) -> Int[np.ndarray, " S"]:
    """Class of each window of one recording, after a moving average of the probabilities.

    With h = ⌊seconds / (2 step)⌋ it is argmax_k Σ p_ik over the windows i from s - h to s + h that
    exist; for 0 s, over s alone.

    Raises
    ------
    ValueError
        If `seconds` is negative or `step` is not positive.

    Examples
    --------
    >>> certain = np.eye(2)[[0, 0, 1, 0, 0, 1, 1, 1]]
    >>> smooth(certain, 0.0, step=0.5), smooth(certain, 1.0, step=0.5)
    (array([0, 0, 1, 0, 0, 1, 1, 1]), array([0, 0, 0, 0, 0, 1, 1, 1]))
    """
    if seconds < 0 or step <= 0:
        raise ValueError(
            f"seconds is {seconds} and step is {step}: expected at least 0 and more than 0"
        )
    reach = int(seconds / (2 * step) + 1e-9)  # 0.6 / (2 * 0.1) is just below 3
    return uniform_filter1d(probabilities, 2 * reach + 1, axis=0, mode="constant").argmax(1)


class Dense(NamedTuple):
    """Windows slid over recordings.

    ``features`` (N, D), the index ``centres`` (N,) of each middle sample in the flat array of the
    store, the ``labels`` (N,) of these samples, and the ``rows`` (N,) of the windows in the table
    of recordings.
    """

    features: Float32[np.ndarray, "N D"]
    centres: Int[np.ndarray, " N"]
    labels: Int[np.ndarray, " N"]
    rows: Int[np.ndarray, " N"]


def dense(
    encoder: Encoder, store: Store, subjects: Sequence[str], length: int, stride: int
) -> Dense:
    """Features of windows slid over all recordings of some subjects.

    A recording that is shorter than a window has none.

    Examples
    --------
    >>> from tsclr.datasets import Synthetic
    >>> from tsclr.encoders import Statistics
    >>> store = Store.build(Synthetic(n_subjects=2, minutes=0.5).recordings())
    >>> windows = dense(Statistics(6), store, ["02"], length=100, stride=25)
    >>> windows.features.shape, windows.centres[:3]
    ((57, 174), array([1550, 1575, 1600]))
    """
    windows = Windows.sliding(store, length, stride, subjects)
    centres = windows.starts + length // 2
    labels = store.labels[centres].astype(int)
    return Dense(encode(encoder, windows), centres, labels, windows.rows())


def nearest_window(centres: Int[np.ndarray, " S"], n_samples: int) -> Int[np.ndarray, " T"]:
    """Index of the window whose centre is nearest to each sample, the earlier one of a tie.

    `centres` ascend and count from the start of the recording of `n_samples` samples.

    Examples
    --------
    >>> nearest_window(np.array([2, 4]), 7)
    array([0, 0, 0, 0, 1, 1, 1])
    """
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, np.arange(n_samples))


class Track(NamedTuple):
    """One recording.

    ``subject``, the ``truth`` (T,) and the ``nearest`` window (T,) of each sample, and the class
    ``probabilities`` (S, K) of each window.
    """

    subject: str
    truth: Int[np.ndarray, " T"]
    nearest: Int[np.ndarray, " T"]
    probabilities: Float[np.ndarray, "S K"]


def segment(
    encoder: Encoder,
    store: Store,
    split: Split,
    classes: Sequence[str],
    length: int,
    stride: int,
    budget: Budget = None,
    smoothing: Sequence[float] = SMOOTHING,
    seed: int = 0,
) -> dict[str, Any]:
    """Label every sample of the test subjects, and score the labels by sample and by segment.

    Features are standardised by their moments over the streams of the training subjects. Every
    regression of `tsclr.evaluate.heads.linear` is tried with every `smoothing`; the pair with the
    best macro F1 over the labelled samples of the validation subjects is fitted again on the
    training and validation subjects. Test subjects are scored once, with and without smoothing.

    Returns
    -------
    dict
        ``smoothed`` and ``unsmoothed``, each the scores of `tsclr.evaluate.scores.summarise`, with
        ``f1@10``, ``f1@25`` and ``f1@50`` of the counts summed over recordings, ``edit``, the mean
        over recordings, and the same four by subject in ``subjects``; ``classes`` and
        ``recordings``, from which `segment_scores` computes both; what was chosen: ``seconds``,
        ``chosen`` and ``validation_macro_f1``; and ``too_short``, the number of recordings of test
        subjects that are shorter than a window and hence not labelled.

    Raises
    ------
    ValueError
        If a class or subject is unknown, a class has fewer windows than the budget, or no recording
        can be labelled.

    Examples
    --------
    >>> from tsclr.datasets import Synthetic
    >>> from tsclr.encoders import Statistics
    >>> store = Store.build(Synthetic(n_subjects=4, minutes=2).recordings())
    >>> split = Split(train=("01", "02"), validation=("03",), test=("04",))
    >>> scores = segment(Statistics(6), store, split, store.classes, length=100, stride=25)
    >>> sorted(scores["smoothed"]["subjects"]["04"])
    ['edit', 'f1@10', 'f1@25', 'f1@50', 'macro_f1']
    """
    store, step = _with_classes(store, classes), stride / store.sample_rate
    sides = [
        dense(encoder, store, subjects, length, stride)
        for subjects in (split.train, split.validation, split.test)
    ]
    moments = StandardScaler().fit(sides[0].features)
    train, validation, test = (
        side._replace(features=np.asarray(moments.transform(side.features))) for side in sides
    )
    drawn = _draw([train], store.classes, budget, seed)
    candidates = [
        _fit(regression, *drawn) for regression in LinearHead().classifiers(len(drawn[1]))
    ]
    predicted = [_predict(model, validation, store, split.validation) for model in candidates]
    scores = np.array(
        [[_sample_f1(tracks, seconds, step) for seconds in smoothing] for tracks in predicted]
    )
    best, index = divmod(int(scores.argmax()), len(smoothing))
    model = _fit(clone(candidates[best]), *_draw([train, validation], store.classes, budget, seed))
    tracks = _predict(model, test, store, split.test)
    recordings = {
        kind: [_counts(track, seconds, step) for track in tracks]
        for kind, seconds in (("smoothed", smoothing[index]), ("unsmoothed", 0.0))
    }
    return {
        **{kind: segment_scores(recordings[kind], store.classes, seed) for kind in recordings},
        "classes": list(store.classes),
        "recordings": recordings,
        "seconds": float(smoothing[index]),
        "chosen": str(model),
        "validation_macro_f1": float(scores.max()),
        "too_short": _count_short(store, split.test, length),
    }


def _with_classes(store: Store, classes: Sequence[str]) -> Store:
    """The store with labels that index into `classes`; other classes become unlabelled."""
    index = np.full(len(store.classes) + 1, UNLABELLED, np.int16)  # the last is that of UNLABELLED
    for position, name in enumerate(classes):
        if name not in store.classes:
            raise ValueError(f"no class {name!r} in the store: {nearest(name, store.classes)}")
        index[store.classes.index(name)] = position
    return replace(store, labels=index[store.labels], classes=tuple(classes))


def _draw(
    sides: Sequence[Dense], classes: Sequence[str], budget: Budget, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of the windows of all sides that the budget lets keep their label."""
    labels = np.concatenate([side.labels for side in sides])
    drawn = draw_budget(labels, budget, classes, seed)
    return np.concatenate([side.features for side in sides])[drawn], labels[drawn]


def _fit(classifier: Any, features: np.ndarray, labels: np.ndarray) -> Any:
    """Fit a classifier on one BLAS thread, which is fastest for so few classes."""
    with threadpool_limits(1, "blas"):
        return classifier.fit(features, labels)


def _predict(model: Any, windows: Dense, store: Store, subjects: Sequence[str]) -> list[Track]:
    """Probabilities along every recording of the subjects that has labels."""
    probabilities = np.zeros((len(windows.labels), len(store.classes)))
    probabilities[:, model.classes_] = model.predict_proba(windows.features)
    tracks = []
    table = store.recordings[["subject", "start", "length"]]
    for row, (subject, start, length) in enumerate(table.itertuples(index=False)):
        truth = store.labels[start : start + length].astype(int)
        if subject not in subjects or (truth == UNLABELLED).all():
            continue
        of_recording = windows.rows == row
        if not of_recording.any():  # shorter than a window
            continue
        near = nearest_window(windows.centres[of_recording] - start, length)
        tracks.append(Track(subject, truth, near, probabilities[of_recording]))
    if not tracks:
        raise ValueError(f"no recording of {', '.join(subjects)} has labels: choose other subjects")
    return tracks


def _count_short(store: Store, subjects: Sequence[str], length: int) -> int:
    """Number of recordings of the subjects that are shorter than a window."""
    of_subjects = store.recordings["subject"].isin(list(subjects))
    return int((of_subjects & (store.recordings["length"] < length)).sum())


def _predicted(track: Track, seconds: float, step: float) -> np.ndarray:
    """Label of each sample of a recording."""
    return smooth(track.probabilities, seconds, step)[track.nearest]


def _confusion(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Confusion counts (K, K) of the samples with a label."""
    truth, predicted = known(truth, predicted)
    return confusions(truth, predicted, np.zeros(len(truth)), n_classes)[0]


def _sample_f1(tracks: Sequence[Track], seconds: float, step: float) -> float:
    """Macro F1 over the labelled samples of all recordings."""
    truth = np.concatenate([track.truth for track in tracks])
    predicted = np.concatenate([_predicted(track, seconds, step) for track in tracks])
    return float(macro_f1(_confusion(truth, predicted, tracks[0].probabilities.shape[1])))


def _counts(track: Track, seconds: float, step: float) -> dict[str, Any]:
    """What one recording adds to the scores, as JSON can hold it: `segment_scores` has the sum."""
    both = track.truth, _predicted(track, seconds, step)
    return {
        "subject": track.subject,
        "confusion": _confusion(*both, track.probabilities.shape[1]).tolist(),
        "matches": segment_matches(*both).tolist(),
        "edit": edit_score(*both),
    }


def segment_scores(
    recordings: Sequence[Mapping[str, Any]], classes: Sequence[str], seed: int
) -> dict[str, Any]:
    """Scores of all recordings, and of those of each subject.

    Each recording has its ``subject``, the counts of `confusions` (K, K) and of `segment_matches`
    (3 overlaps, 3), and its `edit_score`.
    """
    by_subject: dict[str, list[Mapping[str, Any]]] = {}
    for recording in recordings:
        by_subject.setdefault(recording["subject"], []).append(recording)
    counts = np.stack(
        [np.sum([r["confusion"] for r in of_subject], axis=0) for of_subject in by_subject.values()]
    )
    pooled = _by_segment([r for of_subject in by_subject.values() for r in of_subject])
    subjects = {
        subject: {"macro_f1": float(macro_f1(confusion)), **_by_segment(of_subject)}
        for (subject, of_subject), confusion in zip(by_subject.items(), counts, strict=True)
    }
    return summarise(counts[None], tuple(classes), seed) | pooled | {"subjects": subjects}


def _by_segment(recordings: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """F1@k of the counts summed over recordings; edit score averaged over them."""
    f1 = matches_f1(np.sum([recording["matches"] for recording in recordings], axis=0))
    names = [f"f1@{round(100 * overlap)}" for overlap in OVERLAPS]
    edit = float(np.mean([recording["edit"] for recording in recordings]))
    return dict(zip(names, f1.tolist(), strict=True)) | {"edit": edit}
