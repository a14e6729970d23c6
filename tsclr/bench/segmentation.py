"""An encoder and labelled streams in, a label for every sample and its scores out.

A window slides over each recording in small steps, a logistic regression gives the class
probabilities of its middle sample, a moving average smooths them, and each sample takes the label
of the nearest step::

    samples   ···············································
    windows   |=====c=====|
                   |=====c=====|            c = start + length // 2, the stamp of a step
                        |=====c=====|
    labels    000000000|1111|22222222 …     the ends take the first and the last step

Scores by sample hardly see a prediction that flickers; scores by segment do (Lea et al., *Temporal
convolutional networks for action segmentation and detection*, CVPR 2017, the paragraphs on
metrics). The literature prints edit score and F1@k times 100; here they lie in [0, 1] as every
other score of this package. Both read the sequences that are left once the samples without a label
are taken out, so two runs of one class that only unlabelled samples part are one segment.
"""

from collections.abc import Sequence
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
"""Candidates of the moving average in s, from none to longer than a transition."""


def smooth(
    probabilities: Float[np.ndarray, "S K"], seconds: float, step: float
) -> Int[np.ndarray, " S"]:
    """Class of each step, the most probable one on average over the steps around it.

    With h = ⌊seconds / (2 step)⌋ it is argmax_k Σ p_ik over the steps i from s - h to s + h; there
    are none beyond the ends, and none but s itself for 0 s.

    Parameters
    ----------
    probabilities : (S, K) float
        Class probabilities of each step of one recording.
    seconds : float
        Length of the moving average in s, 0 for none.
    step : float
        Time from step to step in s.

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
        raise ValueError(f"{seconds} s at steps of {step} s: expected 0 s or more, and a step")
    reach = int(seconds / (2 * step) + 1e-9)  # 0.6 / (2 * 0.1) is just below 3
    return uniform_filter1d(probabilities, 2 * reach + 1, axis=0, mode="constant").argmax(1)


class Steps(NamedTuple):
    """Windows slid over recordings.

    ``features`` (N, D), the flat number ``centres`` (N,) of the sample in the middle of each, its
    ``labels`` (N,), and the row ``rows`` (N,) of each in the table of recordings.
    """

    features: Float32[np.ndarray, "N D"]
    centres: Int[np.ndarray, " N"]
    labels: Int[np.ndarray, " N"]
    rows: Int[np.ndarray, " N"]


def dense(
    encoder: Encoder, store: Store, subjects: Sequence[str], length: int, stride: int
) -> Steps:
    """Features of windows slid over all recordings of some subjects.

    Parameters
    ----------
    encoder : Encoder
        Gives the features.
    store : Store
        Where the recordings lie.
    subjects : sequence of str
        Whose recordings; one that is shorter than a window has no step.
    length, stride : int
        Samples of a window, and from step to step.

    Raises
    ------
    ValueError
        If a subject is unknown, or a window is longer than every recording.

    Examples
    --------
    >>> from tsclr.datasets import Synthetic
    >>> from tsclr.encoders import Statistics
    >>> store = Store.build(Synthetic(n_subjects=2, minutes=0.5).recordings())
    >>> steps = dense(Statistics(6), store, ["02"], length=100, stride=25)
    >>> steps.features.shape, steps.centres[:3]
    ((57, 174), array([1550, 1575, 1600]))
    """
    windows = Windows.sliding(store, length, stride, subjects)
    centres = windows.starts + length // 2
    labels = store.labels[centres].astype(int)
    return Steps(encode(encoder, windows), centres, labels, windows.rows())


def nearest_step(centres: Int[np.ndarray, " S"], n_samples: int) -> Int[np.ndarray, " T"]:
    """Step whose centre is nearest to each sample, the earlier of two that are equally near.

    Parameters
    ----------
    centres : (S,) int
        Sample in the middle of each step, counted from the start of the recording, ascending.
    n_samples : int
        Samples T of the recording; those before the first and after the last centre take these.

    Examples
    --------
    >>> nearest_step(np.array([2, 4]), 7)
    array([0, 0, 0, 0, 1, 1, 1])
    """
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, np.arange(n_samples))


class Track(NamedTuple):
    """One recording.

    ``subject``, the ``truth`` (T,) and the ``nearest`` step (T,) of each sample, and the class
    ``probabilities`` (S, K) of each step.
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

    Features are standardised by their moments over the streams of the training subjects. Of
    `tsclr.evaluate.heads.linear` and `smoothing`, the pair with the best macro F1 over the
    labelled samples of the validation subjects is taken, and its
    regression fitted anew on the training and the validation subjects. Test subjects are scored
    once, with that smoothing and without.

    Parameters
    ----------
    encoder : Encoder
        Gives the features; that it has not seen the test subjects is for the caller to know.
    store : Store
        Labelled streams.
    split : Split
        Subjects.
    classes : sequence of str
        Classes to tell apart; samples of others count as unlabelled.
    length, stride : int
        Samples of a window, and from step to step.
    budget : int, float or None
        Steps with a label for each class, the share of them, or all: what the regression is
        fitted on. A share keeps a long dataset quick.
    smoothing : sequence of float
        Candidates of the moving average in s, 0 for none.
    seed : int
        Seed of the draw of labels and of the bootstrap.

    Returns
    -------
    dict
        ``smoothed`` and ``unsmoothed``, each as `tsclr.evaluate.scores.summarise` gives it, with
        ``f1@10``, ``f1@25`` and ``f1@50`` of the counts added up over recordings, ``edit``, the
        mean over recordings, and the same four by subject in ``subjects``; what was chosen:
        ``seconds``, ``chosen`` and ``validation_macro_f1``; and ``too_short``, the number of
        recordings of test subjects that have no window in them, and so are not labelled.

    Raises
    ------
    ValueError
        If a class or subject is unknown, a class has fewer steps than the budget, or no recording
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
    candidates = [_fit(each, *drawn) for each in LinearHead().classifiers(len(drawn[1]))]
    followed = [_follow(each, validation, store, split.validation) for each in candidates]
    scores = np.array(
        [[_sample_f1(tracks, each, step) for each in smoothing] for tracks in followed]
    )
    best, place = divmod(int(scores.argmax()), len(smoothing))
    model = _fit(clone(candidates[best]), *_draw([train, validation], store.classes, budget, seed))
    tracks = _follow(model, test, store, split.test)
    return {
        "smoothed": _scores(tracks, smoothing[place], step, store.classes, seed),
        "unsmoothed": _scores(tracks, 0.0, step, store.classes, seed),
        "seconds": float(smoothing[place]),
        "chosen": str(model),
        "validation_macro_f1": float(scores.max()),
        "too_short": _count_short(store, split.test, length),
    }


def _with_classes(store: Store, classes: Sequence[str]) -> Store:
    """The store with labels that index into `classes`, and none where it has another class."""
    index = np.full(len(store.classes) + 1, UNLABELLED, np.int16)  # the last is that of UNLABELLED
    for place, name in enumerate(classes):
        if name not in store.classes:
            raise ValueError(f"no class {name!r} in the store: {nearest(name, store.classes)}")
        index[store.classes.index(name)] = place
    return replace(store, labels=index[store.labels], classes=tuple(classes))


def _draw(
    sides: Sequence[Steps], classes: Sequence[str], budget: Budget, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of the steps of all sides that may keep their label."""
    labels = np.concatenate([side.labels for side in sides])
    drawn = draw_budget(labels, budget, classes, seed)
    return np.concatenate([side.features for side in sides])[drawn], labels[drawn]


def _fit(classifier: Any, features: np.ndarray, labels: np.ndarray) -> Any:
    """The classifier, fitted with one thread of linear algebra, the fastest for so few classes."""
    with threadpool_limits(1, "blas"):
        return classifier.fit(features, labels)


def _follow(model: Any, steps: Steps, store: Store, subjects: Sequence[str]) -> list[Track]:
    """Probabilities along every recording of the subjects that has labels."""
    probabilities = np.zeros((len(steps.labels), len(store.classes)))
    probabilities[:, model.classes_] = model.predict_proba(steps.features)
    tracks = []
    table = store.recordings[["subject", "start", "length"]]
    for row, (subject, start, length) in enumerate(table.itertuples(index=False)):
        truth = store.labels[start : start + length].astype(int)
        if subject not in subjects or (truth == UNLABELLED).all():
            continue
        mine = steps.rows == row
        if not mine.any():  # shorter than a window
            continue
        near = nearest_step(steps.centres[mine] - start, length)
        tracks.append(Track(subject, truth, near, probabilities[mine]))
    if not tracks:
        raise ValueError(f"no recording of {', '.join(subjects)} has labels: choose other subjects")
    return tracks


def _count_short(store: Store, subjects: Sequence[str], length: int) -> int:
    """Recordings of the subjects that are shorter than a window."""
    mine = store.recordings["subject"].isin(list(subjects))
    return int((mine & (store.recordings["length"] < length)).sum())


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


class Marks(NamedTuple):
    """What one recording adds to the scores.

    The counts of `confusions` (K, K) and of `segment_matches` (3 overlaps, 3), and `edit_score`.
    """

    confusion: Int[np.ndarray, "K K"]
    matches: Int[np.ndarray, "n_overlaps 3"]
    edit: float


def _scores(
    tracks: Sequence[Track], seconds: float, step: float, classes: tuple[str, ...], seed: int
) -> dict[str, Any]:
    """Scores of all recordings, and of those of each subject."""
    by_subject: dict[str, list[Marks]] = {}
    for track in tracks:
        both = track.truth, _predicted(track, seconds, step)
        marks = Marks(_confusion(*both, len(classes)), segment_matches(*both), edit_score(*both))
        by_subject.setdefault(track.subject, []).append(marks)
    counts = np.stack([sum(m.confusion for m in marks) for marks in by_subject.values()])
    pooled = _by_segment([each for marks in by_subject.values() for each in marks])
    own = {
        subject: {"macro_f1": float(macro_f1(mine)), **_by_segment(marks)}
        for (subject, marks), mine in zip(by_subject.items(), counts, strict=True)
    }
    return summarise(counts[None], classes, seed) | pooled | {"subjects": own}


def _by_segment(marks: Sequence[Marks]) -> dict[str, float]:
    """F1@k of the counts added up over recordings; edit score averaged over them."""
    f1 = matches_f1(np.sum([each.matches for each in marks], axis=0))
    names = [f"f1@{round(100 * overlap)}" for overlap in OVERLAPS]
    edit = float(np.mean([each.edit for each in marks]))
    return dict(zip(names, f1.tolist(), strict=True)) | {"edit": edit}
