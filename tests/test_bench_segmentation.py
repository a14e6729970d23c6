"""Segment scores equal slow ones written from their definition; nothing of the test side leaks."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler

from tests.support.recordings import recording
from tsclr.bench.segmentation import dense, nearest_window, segment, smooth
from tsclr.bench.segments import (
    OVERLAPS,
    edit_score,
    f1_at,
    known,
    matches_f1,
    segment_matches,
    segments,
)
from tsclr.data.splits import Split, split_subjects
from tsclr.data.store import Store
from tsclr.datasets import Hapt, Synthetic
from tsclr.encoders import Statistics
from tsclr.types import UNLABELLED

SPLIT = Split(train=("01", "02"), validation=("03",), test=("04", "05"))
EMPTY = np.zeros(0, int)


def sequence(text: str) -> np.ndarray:
    """Labels written as letters; a dot has none."""
    return np.array([UNLABELLED if letter == "." else ord(letter) - ord("a") for letter in text])


def random_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A true sequence of some bouts with gaps, and a prediction that is often right."""
    generator = np.random.default_rng(seed)
    bouts = generator.integers(-1, 4, generator.integers(1, 9))
    truth = np.repeat(bouts, generator.integers(1, 12, len(bouts)))
    shifted = np.roll(truth, generator.integers(-3, 4)).clip(0)
    return truth, np.where(generator.random(len(truth)) < 0.8, shifted, 1)


def slow_segments(labels: np.ndarray) -> list[tuple[int, set[int]]]:
    """Label and samples of each run."""
    runs: list[tuple[int, set[int]]] = []
    for index, label in enumerate(labels.tolist()):
        if not runs or runs[-1][0] != label:
            runs.append((label, set()))
        runs[-1][1].add(index)
    return runs


def slow_matches(truth: np.ndarray, predicted: np.ndarray, overlap: float) -> tuple[int, int, int]:
    """Sets of samples, and true segments ticked off one by one."""
    true = slow_segments(truth[truth != UNLABELLED])
    other = slow_segments(predicted[truth != UNLABELLED])
    ticked = set()
    for label, samples in other:
        ratios = [
            len(samples & others) / len(samples | others) if label == name else 0.0
            for name, others in true
        ]
        closest = int(np.argmax(ratios))
        if ratios[closest] >= overlap:
            ticked.add(closest)
    return len(ticked), len(other) - len(ticked), len(true) - len(ticked)


def slow_edit(truth: np.ndarray, predicted: np.ndarray) -> float:
    """The recursion of Levenshtein as it is defined."""
    one, other = (
        [label for label, _ in slow_segments(labels[truth != UNLABELLED])]
        for labels in (truth, predicted)
    )

    @cache
    def distance(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        return min(
            distance(i - 1, j) + 1,
            distance(i, j - 1) + 1,
            distance(i - 1, j - 1) + (one[i - 1] != other[j - 1]),
        )

    return 1 - distance(len(one), len(other)) / max(len(one), len(other))


# Segments and their scores


def test_segments_of_a_sequence_made_by_hand() -> None:
    runs = segments(sequence("aab..bbb"))
    assert runs.start.tolist() == [0, 2, 3, 5]
    assert runs.stop.tolist() == [2, 3, 5, 8]
    assert runs.label.tolist() == [0, 1, UNLABELLED, 1]


@pytest.mark.parametrize(
    ("truth", "predicted", "score"),
    [
        ("aaabbbccc", "abbbbbbcc", 1.0),  # a b c in both, whatever their length
        ("aaabbbccc", "aababbccc", 0.6),  # a b c from a b a b c: two deletions of five
        ("aaabbbccc", "aaaaaaccc", 2 / 3),  # one insertion, of three
        ("aaabbbccc", "bbbcccaaa", 1 / 3),  # a deleted in front, added behind
        ("aaa", "bbb", 0.0),
    ],
)
def test_edit_scores_by_hand(truth: str, predicted: str, score: float) -> None:
    assert edit_score(sequence(truth), sequence(predicted)) == pytest.approx(score)


@pytest.mark.parametrize(
    ("truth", "predicted", "matches"),
    [
        # a 4 of 4, b 3 of 6: exactly half is enough; c has no true segment
        ("aaaabbbbbb", "aaaabbbccc", [[2, 1, 0], [2, 1, 0], [2, 1, 0]]),
        # both a lie in the same true segment (2/8 and 3/8): one is right, one too many
        ("aaaaaaaa", "aabbbaaa", [[1, 2, 0], [1, 2, 0], [0, 3, 1]]),
        # the predicted a lies over two true ones (4/9, 4/9), so it can find one only
        ("aaaabaaaa", "aaaaaaaaa", [[1, 0, 2], [1, 0, 2], [0, 1, 3]]),
    ],
)
def test_segment_matches_by_hand(truth: str, predicted: str, matches: list) -> None:
    assert segment_matches(sequence(truth), sequence(predicted)).tolist() == matches
    expected = [2 * tp / (2 * tp + fp + fn) for tp, fp, fn in matches]
    assert f1_at(sequence(truth), sequence(predicted)) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(60))
def test_scores_equal_slow_ones(seed: int) -> None:
    truth, predicted = random_pair(seed)
    if (truth == UNLABELLED).all():
        truth[0] = 2
    expected = [slow_matches(truth, predicted, overlap) for overlap in OVERLAPS]
    assert segment_matches(truth, predicted).tolist() == [list(each) for each in expected]
    assert edit_score(truth, predicted) == pytest.approx(slow_edit(truth, predicted))


@pytest.mark.parametrize("seed", range(10))
def test_what_leaves_the_scores_alone(seed: int) -> None:
    truth, predicted = random_pair(seed)
    truth[:2] = 3
    both = f1_at(truth, predicted).tolist(), edit_score(truth, predicted)
    elsewhere = np.where(truth == UNLABELLED, 7, predicted)
    renamed = np.array([2, 3, 0, 1, UNLABELLED])
    for one, other in (
        (truth, elsewhere),
        known(truth, predicted),
        (renamed[truth], renamed[predicted]),
        (truth.repeat(3), predicted.repeat(3)),
    ):
        assert (f1_at(one, other).tolist(), edit_score(one, other)) == both


def test_perfect_labels_score_one() -> None:
    truth, _ = random_pair(3)
    assert f1_at(truth, truth, [0.1, 1.0]).tolist() == [1, 1]
    assert edit_score(truth, truth) == 1


def test_flicker_costs_segments_and_hardly_samples() -> None:
    truth = sequence("a" * 200 + "b" * 200 + "c" * 200)
    flickering = truth.copy()
    flickering[10::30] = 3 - flickering[10::30].clip(1)
    wrong = flickering != truth
    assert wrong.sum() == 20
    assert f1_score(truth, flickering, average="macro") > 0.96
    assert f1_at(truth, flickering).max() < 0.2
    assert edit_score(truth, flickering) < 0.2


def test_late_borders_cost_samples_and_no_segments() -> None:
    truth = sequence("a" * 20 + "b" * 20 + "c" * 20)
    late = np.append([0] * 5, truth[:-5])
    assert f1_score(truth, late, average="macro") < 0.9
    assert f1_at(truth, late).tolist() == [1, 1, 1]
    assert edit_score(truth, late) == 1


def test_counts_add_up_over_recordings() -> None:
    pairs = [random_pair(seed) for seed in range(5)]
    total = np.sum([segment_matches(*pair) for pair in pairs], axis=0)
    tp, fp, fn = total.T
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    assert matches_f1(total) == pytest.approx(2 * precision * recall / (precision + recall))


@pytest.mark.parametrize("truth", [EMPTY, sequence("...")])
def test_nothing_to_score_has_no_score(truth: np.ndarray) -> None:
    predicted = np.zeros(len(truth), int)
    assert np.isnan(edit_score(truth, predicted))
    assert np.isnan(f1_at(truth, predicted)).all()
    assert not segment_matches(truth, predicted).any()
    assert len(segments(EMPTY).start) == len(segments(EMPTY).stop) == 0


def test_sequences_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 predicted labels for 3 true ones"):
        edit_score(sequence("abc"), sequence("ab"))
    with pytest.raises(ValueError, match="overlap 0"):
        f1_at(sequence("ab"), sequence("ab"), [0])


# From windows to samples


@pytest.mark.parametrize(("seconds", "reach"), [(0, 0), (0.4, 0), (0.5, 1), (0.9, 1), (1.5, 3)])
def test_smoothing_is_the_mean_over_the_windows_around(seconds: float, reach: int) -> None:
    probabilities = np.random.default_rng(1).dirichlet(np.ones(3), 40)
    slow = [
        probabilities[max(0, index - reach) : index + reach + 1].mean(0).argmax()
        for index in range(40)
    ]
    assert smooth(probabilities, seconds, step=0.25).tolist() == slow


def test_smoothing_longer_than_the_recording_gives_one_class() -> None:
    probabilities = np.random.default_rng(2).dirichlet(np.ones(3), 5)
    everywhere = probabilities.mean(0).argmax()
    assert (smooth(probabilities, 100.0, step=0.5) == everywhere).all()


@pytest.mark.parametrize(("seconds", "step"), [(-1.0, 0.5), (1.0, 0.0)])
def test_smoothing_backwards_is_refused(seconds: float, step: float) -> None:
    with pytest.raises(ValueError, match="expected at least 0 and more than 0"):
        smooth(np.ones((3, 2)), seconds, step)


@pytest.mark.parametrize("centres", [[3], [2, 4], [5, 12, 19, 26]])
def test_every_sample_gets_the_nearest_window(centres: list[int]) -> None:
    slow = [int(np.argmin(np.abs(np.array(centres) - sample))) for sample in range(30)]
    assert nearest_window(np.array(centres), 30).tolist() == slow


def test_dense_features_are_those_of_windows_around_their_centres() -> None:
    long = recording(100, "s1", labels=np.arange(100) % 3, classes="abc")
    other = recording(60, "s2", labels=np.arange(60) % 2, classes="ab", seed=1)
    store, encoder = Store.build([long, other, long]), Statistics(3)
    windows = dense(encoder, store, ["s2", "s1"], length=21, stride=8)
    assert windows.rows.tolist() == [0] * 10 + [1] * 5 + [2] * 10
    starts = [*range(0, 80, 8), *range(100, 140, 8), *range(160, 240, 8)]
    assert windows.centres.tolist() == [start + 10 for start in starts]
    assert windows.labels.tolist() == store.labels[windows.centres].tolist()
    cut = np.stack([store.signal[start : start + 21].T for start in starts])
    assert windows.features == pytest.approx(encoder(torch.from_numpy(cut)).numpy(), abs=1e-5)
    assert set(dense(encoder, store, ["s2"], 21, 8).rows) == {1}


# The whole task


@pytest.fixture(scope="module")
def store() -> Store:
    """Five subjects, each in a long and a short recording."""
    cut = 8000
    halves = [
        replace(whole, signal=whole.signal[part], labels=whole.labels[part])
        for whole in Synthetic(n_subjects=5, minutes=4).recordings()
        for part in (slice(cut), slice(cut, None))
        if whole.labels is not None
    ]
    return Store.build(halves)


@pytest.fixture(scope="module")
def scored(store: Store) -> dict:
    return segment(Statistics(6), store, SPLIT, store.classes, length=100, stride=10)


def test_smoothing_is_chosen_and_mends_the_segments(scored: dict) -> None:
    smoothed, unsmoothed = scored["smoothed"], scored["unsmoothed"]
    assert scored["seconds"] > 0
    assert smoothed["edit"] > unsmoothed["edit"] + 0.1
    for name in ("f1@10", "f1@25", "f1@50"):
        assert smoothed[name] > unsmoothed[name] + 0.1
    assert abs(smoothed["macro_f1_mean"] - unsmoothed["macro_f1_mean"]) < 0.1


Stream = tuple[np.ndarray, np.ndarray, np.ndarray]


def slow_streams(store: Store) -> dict[str, list[Stream]]:
    """Centres, standardised features and labels of each recording, by subject."""
    streams: dict[str, list[Stream]] = {}
    for subject, start, length in store.recordings[["subject", "start", "length"]].to_numpy():
        signal = store.signal[start : start + length]
        starts = np.arange(0, length - 99, 10)
        cut = torch.from_numpy(np.stack([signal[first : first + 100].T for first in starts]))
        features = Statistics(6)(cut).numpy()
        labels = store.labels[start : start + length].astype(int)
        streams.setdefault(subject, []).append((starts + 50, features, labels))
    training = [features for name in SPLIT.train for _, features, _ in streams[name]]
    moments = StandardScaler().fit(np.concatenate(training))
    return {
        subject: [
            (centres, moments.transform(features), labels) for centres, features, labels in own
        ]
        for subject, own in streams.items()
    }


def slow_labels(
    trained: list[Stream], tested: list[Stream], C: float, seconds: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """True and predicted labels of each recording, where there is a true one."""
    inputs = np.concatenate([features for _, features, _ in trained])
    labels = np.concatenate([truth[centres] for centres, _, truth in trained])
    model = LogisticRegression(C=C, max_iter=1000, tol=1e-3)
    model.fit(inputs[labels != UNLABELLED], labels[labels != UNLABELLED])
    reach, pairs = int(seconds / 0.4 + 1e-9), []
    for centres, features, truth in tested:
        p = model.predict_proba(features)
        mean = [p[max(0, i - reach) : i + reach + 1].mean(0) for i in range(len(p))]
        near = [np.abs(centres - sample).argmin() for sample in range(len(truth))]
        pairs.append(known(truth, np.argmax(mean, axis=1)[near]))
    return pairs


def macro(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    return float(f1_score(*np.concatenate(pairs, axis=1), average="macro"))


def test_the_scores_equal_those_computed_by_hand(store: Store, scored: dict) -> None:
    streams = slow_streams(store)
    train, validation = (
        [stream for subject in subjects for stream in streams[subject]]
        for subjects in (SPLIT.train, SPLIT.validation)
    )
    chosen = eval(scored["chosen"], {"LogisticRegression": LogisticRegression}).C, scored["seconds"]
    score = macro(slow_labels(train, validation, *chosen))
    assert scored["validation_macro_f1"] == pytest.approx(score, abs=0.005)
    everybody, scores = [], scored["smoothed"]
    for subject in SPLIT.test:
        pairs = slow_labels([*train, *validation], streams[subject], *chosen)
        everybody += pairs
        of_subject = scores["subjects"][subject]
        assert of_subject["macro_f1"] == pytest.approx(macro(pairs), abs=0.005)
        assert of_subject["edit"] == pytest.approx(
            np.mean([slow_edit(*pair) for pair in pairs]), abs=0.02
        )
    assert scores["macro_f1_mean"] == pytest.approx(macro(everybody), abs=0.005)
    edits = [slow_edit(*pair) for pair in everybody]
    assert max(edits) - min(edits) > 0.1
    assert scores["edit"] == pytest.approx(np.mean(edits), abs=0.02)
    tp, fp, fn = np.sum([slow_matches(*pair, 0.5) for pair in everybody], axis=0)
    assert scores["f1@50"] == pytest.approx(2 * tp / (2 * tp + fp + fn), abs=0.02)


def test_every_labelled_sample_of_the_test_subjects_is_scored(store: Store, scored: dict) -> None:
    table = store.recordings
    tested = table.loc[table["subject"].isin(SPLIT.test), ["start", "length"]].to_numpy()
    n_labelled = sum(
        int((store.labels[start : start + length] != UNLABELLED).sum()) for start, length in tested
    )
    for kind in ("smoothed", "unsmoothed"):
        assert np.sum(scored[kind]["confusion"]) == n_labelled
        low, high = scored[kind]["macro_f1_ci_subjects"]
        assert 0 <= low <= high <= 1


def test_the_test_side_reaches_neither_fit_nor_choice(store: Store) -> None:
    table = store.recordings
    first = int(table.loc[table["subject"] == "04", "start"].iloc[0])
    spoilt = replace(store, signal=store.signal.copy(), labels=store.labels.copy())
    spoilt.signal[first:] = 9.0
    spoilt.labels[first:] = 0
    results = [
        segment(Statistics(6), each, SPLIT, store.classes, 100, 25, budget=20)
        for each in (store, spoilt)
    ]
    for name in ("seconds", "chosen", "validation_macro_f1"):
        assert results[0][name] == results[1][name]
    assert results[0]["smoothed"] != results[1]["smoothed"]


def test_a_budget_and_a_seed_give_the_same_scores_again(store: Store) -> None:
    again = [
        segment(Statistics(6), store, SPLIT, store.classes, 100, 50, budget=5, smoothing=[0, 2])
        for _ in range(2)
    ]
    assert again[0] == again[1]


def test_classes_left_out_count_as_unlabelled(store: Store) -> None:
    chosen = store.classes[2], store.classes[0]
    scores = segment(Statistics(6), store, SPLIT, chosen, 100, 50, smoothing=[0])
    assert list(scores["smoothed"]["per_class_f1"]) == list(chosen)
    assert scores["smoothed"] == scores["unsmoothed"]
    with pytest.raises(ValueError, match=r"no class 'wlaking' in the store: .*walking"):
        segment(Statistics(6), store, SPLIT, ["wlaking"], 100, 50)


@pytest.fixture
def three_subjects() -> list:
    """Three subjects who do a and c; the third also does b, as nobody else."""
    made = [
        recording(200, subject, labels=np.repeat([0, 2], 100), classes="abc", seed=seed)
        for seed, subject in enumerate("xy")
    ]
    return [*made, recording(300, "z", labels=np.repeat([0, 1, 2], 100), classes="abc", seed=5)]


PEOPLE = Split(train=("x",), validation=("y",), test=("z",))


def test_a_class_that_training_lacks_is_never_predicted(three_subjects: list) -> None:
    scores = segment(Statistics(3), Store.build(three_subjects), PEOPLE, "abc", 20, 5)["smoothed"]
    counts = np.array(scores["confusion"])
    assert counts.sum(1).tolist() == [100, 100, 100]
    assert counts[:, 1].sum() == 0
    assert counts[:, 2].sum() > 0
    assert scores["per_class_f1"]["b"] == 0


def test_a_stretch_without_labels_is_left_out(three_subjects: list) -> None:
    silent = recording(200, "z", name="silent")
    scores = [
        segment(Statistics(3), Store.build(recordings), PEOPLE, "abc", 20, 5)
        for recordings in (three_subjects, [*three_subjects, silent])
    ]
    assert scores[0] == scores[1]


def test_recordings_shorter_than_a_window_are_left_out_and_counted(three_subjects: list) -> None:
    brief = recording(10, "z", name="brief", labels=[0] * 10, classes="abc")
    scores, with_brief = (
        segment(Statistics(3), Store.build(recordings), PEOPLE, "abc", 20, 5)
        for recordings in (three_subjects, [*three_subjects, brief, brief])
    )
    assert scores["too_short"] == 0
    assert with_brief == scores | {"too_short": 2}


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ({"length": 200}, "no recording of z has labels"),
        ({"length": 10, "labels": [0] * 10, "classes": "abc"}, "no window fits"),
    ],
)
def test_what_cannot_be_labelled_is_named(last: dict, message: str, three_subjects: list) -> None:
    store = Store.build([*three_subjects[:2], recording(subject="z", **last)])
    with pytest.raises(ValueError, match=message):
        segment(Statistics(3), store, PEOPLE, "abc", 20, 5)


# Real recordings


def test_hapt_has_the_published_number_of_bouts(hapt_store: Store) -> None:
    table = hapt_store.recordings[["start", "length"]].to_numpy()
    found = [segments(hapt_store.labels[start : start + n]).label for start, n in table]
    assert (np.concatenate(found) != UNLABELLED).sum() == Hapt.facts["bouts"]


@pytest.mark.slow
def test_smoothing_mends_the_segments_of_hapt(hapt_store: Store) -> None:
    split = split_subjects(hapt_store.subjects, Hapt.test_subjects)
    scores = segment(
        Statistics(6), hapt_store, split, hapt_store.classes, 128, 25, 20, smoothing=[0, 3]
    )
    assert scores["seconds"] == 3
    assert scores["smoothed"]["f1@50"] > scores["unsmoothed"]["f1@50"] + 0.1
    assert scores["smoothed"]["macro_f1_mean"] > scores["unsmoothed"]["macro_f1_mean"] > 0.6
    assert list(scores["smoothed"]["subjects"]) == list(Hapt.test_subjects)
