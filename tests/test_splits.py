"""Splits share nobody, budgets are drawn evenly, and the audit lets no leak pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.recordings import recording
from tsclr.data.splits import LeakError, Split, audit, draw_budget, parse_budget, split_subjects
from tsclr.data.store import Store
from tsclr.data.windows import Windows

SUBJECTS = [str(number) for number in range(1, 11)]


@pytest.fixture
def windows():
    store = Store.build([recording(100, f"s{number}") for number in range(4)])
    return Windows.sliding(store, length=20, stride=10)


@given(
    n=st.integers(3, 40),
    test=st.floats(0, 0.5),
    validation=st.floats(0, 0.5),
    seed=st.integers(0, 2**32),
)
def test_every_subject_is_in_exactly_one_place(n, test, validation, seed):
    subjects = [str(number) for number in range(n)]
    if n - np.ceil(test * n) < 2:
        return
    split = split_subjects(subjects, test, validation, seed)
    placed = [*split.train, *split.validation, *split.test]
    assert sorted(placed) == sorted(subjects)
    assert split.train
    assert split.validation


@pytest.mark.parametrize(("share", "n", "n_tested"), [(0.07, 100, 7), (0.14, 50, 7), (0.3, 9, 3)])
def test_a_share_is_rounded_up_to_whole_subjects(share, n, n_tested):
    split = split_subjects([str(number) for number in range(n)], share)
    assert len(split.test) == n_tested


def test_split_depends_on_the_seed_alone():
    first = split_subjects(SUBJECTS, 0.3, 0.3, seed=5)
    assert split_subjects(SUBJECTS[::-1] + SUBJECTS, 0.3, 0.3, seed=5) == first
    others = {split_subjects(SUBJECTS, 0.3, 0.3, seed=seed).test for seed in range(20)}
    assert len(others) > 10


def test_shares_are_those_asked_for():
    split = split_subjects(SUBJECTS, test=0.3, validation=0.25)
    assert (len(split.train), len(split.validation), len(split.test)) == (5, 2, 3)


def test_named_test_subjects_are_tested_whatever_the_seed():
    for seed in range(5):
        assert split_subjects(SUBJECTS, ["10", "9", "2"], seed=seed).test == ("2", "9", "10")


def test_validation_has_at_least_one_subject():
    assert len(split_subjects(SUBJECTS, validation=0.0).validation) == 1


@pytest.mark.parametrize(("n", "test"), [(0, 0.0), (1, 0.0), (2, 0.5), (2, ["1"]), (10, 0.9)])
def test_fewer_than_two_subjects_beside_the_test_are_refused(n, test):
    with pytest.raises(ValueError, match="at least two are needed, one of them for validation"):
        split_subjects(SUBJECTS[:n], test)


def test_unknown_test_subject_suggests_the_near_one():
    with pytest.raises(ValueError, match="no test subject 's02': did you mean s2"):
        split_subjects(["s1", "s2", "s3"], ["s02"])


@pytest.mark.parametrize("share", [-0.1, 1.0, 2, float("nan")])
def test_share_outside_zero_to_one_is_refused(share):
    with pytest.raises(ValueError, match=r"test share .* must be in \[0, 1\)"):
        split_subjects(SUBJECTS, test=share)
    with pytest.raises(ValueError, match=r"validation share .* must be in \[0, 1\)"):
        split_subjects(SUBJECTS, validation=share)


@pytest.mark.parametrize("places", ["train validation", "train test", "validation test"])
def test_split_that_shares_a_subject_is_refused(places):
    one, other = places.split()
    split = {"train": ("1",), "validation": ("2",), "test": ("3",)}
    with pytest.raises(LeakError, match=f"subject x is in both {one} and {other}: name it once"):
        Split(**{name: (*who, "x") if name in places else who for name, who in split.items()})


@pytest.mark.parametrize(
    ("text", "budget"),
    [("5", 5), (" 50 ", 50), ("10%", 0.1), ("0.5%", 0.005), ("all", None), ("ALL", None)],
)
def test_budget_is_read_as_written(text, budget):
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["", "0", "-1", "0%", "-5%", "101%", "nan%", "2.5", "ten", "5%%"])
def test_budget_that_makes_no_sense_says_how_to_write_one(text):
    with pytest.raises(ValueError, match=r"write a number of labels per class \(5\), a share"):
        parse_budget(text)


def test_budget_gives_each_class_its_labels():
    labels = np.repeat([0, 1, 2, -1], [10, 40, 25, 30])
    drawn = draw_budget(labels, 5, ["a", "b", "c"], seed=0)
    assert np.bincount(labels[drawn]).tolist() == [5, 5, 5]
    assert (np.diff(drawn) > 0).all()


def test_share_is_taken_of_each_class_and_at_least_one():
    labels = np.repeat([0, 1, 2], [2, 40, 25])
    drawn = draw_budget(labels, 0.2, ["a", "b", "c"], seed=0)
    assert np.bincount(labels[drawn]).tolist() == [1, 8, 5]


def test_budget_of_all_takes_every_labelled_window():
    labels = np.array([0, -1, 1, 0, 7])
    assert draw_budget(labels, None, ["a", "b", "none of these"], seed=0).tolist() == [0, 2, 3]


def test_draw_depends_on_the_seed_and_larger_budgets_contain_smaller_ones():
    labels = np.repeat([0, 1], 50)
    first = draw_budget(labels, 5, ["a", "b"], seed=1)
    assert np.array_equal(first, draw_budget(labels, 5, ["a", "b"], seed=1))
    assert not np.array_equal(first, draw_budget(labels, 5, ["a", "b"], seed=2))
    assert set(first) < set(draw_budget(labels, 10, ["a", "b"], seed=1))


def test_every_window_of_a_class_is_drawn_about_equally_often():
    labels = np.repeat([0, 1], 10)
    drawn = [draw_budget(labels, 3, ["a", "b"], seed=seed) for seed in range(1000)]
    counts = np.bincount(np.concatenate(drawn), minlength=20)
    # Binomial with 1000 draws of probability 0.3: 300 ± 14.5.
    assert (abs(counts - 300) < 5 * 14.5).all()


def test_budget_larger_than_a_class_names_class_and_count():
    labels = np.repeat([0, 1], [50, 3])
    with pytest.raises(
        ValueError, match=r"budget of 5 .* than the 3 training windows of class 'b'"
    ):
        draw_budget(labels, 5, ["a", "b"], seed=0)


@pytest.mark.parametrize("budget", [0, -3, -0.5, float("nan")])
def test_budget_that_is_not_positive_is_refused(budget):
    with pytest.raises(ValueError, match="must be positive"):
        draw_budget(np.array([0]), budget, ["a"], seed=0)


def test_audit_is_silent_when_subjects_are_apart(windows):
    tested = np.isin(windows.subjects, ["s1", "s3"])
    audit(windows.select(~tested), windows.select(tested))


def test_audit_is_silent_when_a_side_is_empty(windows):
    audit(windows, windows.select(np.zeros(len(windows), bool)))
    audit(windows.select(np.zeros(len(windows), bool)), windows)


def test_audit_finds_a_shared_subject_in_two_stores(windows):
    other = Windows.sliding(Store.build([recording(100, "s3")]), length=20, stride=20)
    with pytest.raises(LeakError, match=r"share the subjects s3$"):
        audit(windows, other)


@pytest.mark.parametrize(
    ("train", "test"),
    [((81, 20), (100, 20)), ((99, 2), (100, 20)), ((80, 40), (100, 10)), ((80, 111), (190, 20))],
)
def test_audit_finds_a_planted_overlap_in_time(windows, train, test):
    store = windows.store
    one = Windows(store, train[1], np.array([0, train[0]]))
    other = Windows(store, test[1], np.array([test[0], 330]))
    with pytest.raises(LeakError, match=r"^1 training windows overlap test windows in time$"):
        audit(one, other)


def test_audit_finds_a_planted_overlap_from_before(windows):
    # A test window of the subject before that reaches into a training window.
    test = Windows(windows.store, 30, np.array([90]))
    with pytest.raises(LeakError, match="1 training windows overlap"):
        audit(Windows(windows.store, 20, np.array([100, 300])), test)


def test_audit_lets_windows_touch(windows):
    test = Windows(windows.store, 20, np.array([100, 120]))
    audit(Windows(windows.store, 20, np.array([80, 300])), test)


def test_random_split_over_overlapping_windows_is_refused(windows):
    # CL-HAR divides windows, not people: FACTS of the peers, "random split".
    tested = np.random.default_rng(0).random(len(windows)) < 0.3
    with pytest.raises(LeakError, match="share the subjects s0, s1, s2, s3"):
        audit(windows.select(~tested), windows.select(tested))


def test_test_user_left_in_training_is_refused(windows):
    tested = windows.subjects == "s2"
    with pytest.raises(LeakError, match=r"share the subjects s2$"):
        audit(windows, windows.select(tested))


def test_validation_subjects_by_name() -> None:
    split = split_subjects(["a", "b", "c", "d"], test=["d"], validation=["a"])
    assert split == Split(train=("b", "c"), validation=("a",), test=("d",))
    with pytest.raises(ValueError, match="no validation subject 'e'"):
        split_subjects(["a", "b"], validation=["e"])
    with pytest.raises(ValueError, match="2 subjects to train on"):
        split_subjects(["a", "b"], validation=["a", "b"])


def test_a_share_of_a_class_that_is_not_there_is_none_of_it() -> None:
    assert draw_budget(np.array([0, 0, 0]), 0.4, ["walk", "sit"], seed=0).shape == (1,)
