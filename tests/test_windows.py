"""Windows lie where a slow reference puts them, and a batch is what slicing would give."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.recordings import recording
from tsclr.data import windows as module
from tsclr.data.store import LABELS, SIGNAL, TABLE, Store
from tsclr.data.table import StoreTable
from tsclr.data.windows import Windows, samples
from tsclr.datasets import Hapt
from tsclr.types import UNLABELLED, InputSpec

CLASSES = ("sit", "walk", "run")


def slow_starts(begin, end, length, stride):
    """Every start, one by one, that fits between two ends."""
    found = []
    start = begin
    while start + length <= end:
        found.append(start)
        start += stride
    return found


def slow_bouts(store):
    """Begin, end and label of every run of a label, sample by sample."""
    bouts = []
    for begin, length in store.recordings[["start", "length"]].itertuples(index=False):
        at = begin
        for place in range(begin + 1, begin + length + 1):
            if place == begin + length or store.labels[place] != store.labels[at]:
                bouts.append((at, place, store.labels[at]))
                at = place
    return [bout for bout in bouts if bout[2] != UNLABELLED]


RUNS = st.lists(
    st.lists(st.tuples(st.integers(1, 12), st.integers(-1, 2)), min_size=1, max_size=8),
    min_size=1,
    max_size=4,
)
"""For each of a few recordings, runs of labels: how long, and which one."""


def built(recordings):
    """A store of recordings with these runs of labels."""
    labels = [np.repeat(*np.array(runs).T[::-1]) for runs in recordings]
    return Store.build(
        recording(len(each), f"s{number % 2}", labels=each, classes=CLASSES, seed=number)
        for number, each in enumerate(labels)
    )


@pytest.fixture
def store():
    return Store.build(
        [
            recording(100, "s1", "a", labels=[0] * 50 + [1] * 50, classes=CLASSES, seed=1),
            recording(30, "s2", "b", seed=2),
            recording(70, "s1", "c", labels=[-1] * 10 + [2] * 60, classes=CLASSES, seed=3),
        ]
    )


@given(runs=RUNS, length=st.integers(1, 20), stride=st.integers(1, 20))
def test_sliding_windows_are_those_of_a_slow_reference(runs, length, stride):
    store = built(runs)
    table = store.recordings[["start", "length"]].itertuples(index=False)
    expected = [s for b, n in table for s in slow_starts(b, b + n, length, stride)]
    if expected:
        windows = Windows.sliding(store, length, stride)
        assert windows.starts.tolist() == expected
        assert (windows.labels == UNLABELLED).all()
    else:
        with pytest.raises(ValueError, match="no window fits"):
            Windows.sliding(store, length, stride)


@given(runs=RUNS, length=st.integers(1, 20), stride=st.integers(1, 20))
def test_labelled_windows_are_those_of_a_slow_reference(runs, length, stride):
    store = built(runs)
    expected = [
        (start, label)
        for begin, end, label in slow_bouts(store)
        for start in slow_starts(begin, end, length, stride)
    ]
    if expected:
        windows = Windows.labelled(store, length, stride)
        assert list(zip(windows.starts, windows.labels, strict=True)) == expected
    else:
        with pytest.raises(ValueError, match=r"no window fits|no labels"):
            Windows.labelled(store, length, stride)


@given(runs=RUNS, length=st.integers(1, 8), stride=st.integers(1, 8))
def test_no_window_crosses_a_recording_and_no_labelled_one_a_change(runs, length, stride):
    store = built(runs)
    first = store.recordings["start"].to_numpy()
    recording_of = np.repeat(np.arange(len(first)), store.recordings["length"])
    for cut in (Windows.sliding, Windows.labelled):
        try:
            windows = cut(store, length, stride)
        except ValueError:
            continue
        for start, label in zip(windows.starts, windows.labels, strict=True):
            inside = slice(start, start + length)
            assert len(set(recording_of[inside])) == 1
            assert cut == Windows.sliding or set(store.labels[inside]) == {label}


def test_labelled_windows_start_anew_at_each_bout(store):
    windows = Windows.labelled(store, length=20, stride=15)
    assert windows.starts.tolist() == [0, 15, 30, 50, 65, 80, 140, 155, 170]
    assert windows.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_equal_labels_on_both_sides_of_a_gap_are_two_bouts():
    walk = recording(15, labels=[0] * 15, classes=("walk",))
    assert Windows.labelled(Store.build([walk, walk]), 10, 5).starts.tolist() == [0, 5, 15, 20]


def test_classes_are_kept_and_numbered_as_asked(store):
    windows = Windows.labelled(store, length=20, stride=15, classes=["run", "sit"])
    assert windows.starts.tolist() == [0, 15, 30, 140, 155, 170]
    assert windows.labels.tolist() == [1, 1, 1, 0, 0, 0]


def test_batch_is_what_slicing_gives_channels_first(store):
    windows = Windows.sliding(store, length=20, stride=7)
    indices = [5, 0, 5, len(windows) - 1]
    batch = windows.take(indices)
    expected = np.stack([store.signal[s : s + 20].T for s in windows.starts[indices]])
    assert batch.dtype == torch.float32
    assert np.array_equal(batch.numpy(), expected)
    assert batch.is_contiguous()


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_indices_may_be_a_list_an_array_or_a_tensor(store, kind):
    windows = Windows.sliding(store, length=20, stride=7)
    assert torch.equal(windows.take(kind([3, 1])), windows.take([3, 1]))


def test_batch_is_a_copy_and_the_store_stays_as_it_was(store):
    before = store.signal.copy()
    Windows.sliding(store, length=20, stride=7).take([0, 1]).zero_()
    assert np.array_equal(store.signal, before)


def test_one_window_and_negative_numbers_follow_the_rules_of_lists(store):
    windows = Windows.sliding(store, length=20, stride=7)
    assert torch.equal(windows[3], windows.take([3])[0])
    assert torch.equal(windows[-1], windows[len(windows) - 1])
    assert sum(1 for _ in windows) == len(windows)


@pytest.mark.parametrize("outside", [1000, -1000])
def test_index_out_of_range_is_an_error(store, outside):
    with pytest.raises(IndexError):
        Windows.sliding(store, length=20, stride=7).take([0, outside])


def test_empty_batch_keeps_its_shape(store):
    assert Windows.sliding(store, 20, 7).take(np.zeros(0, int)).shape == (0, 3, 20)


def test_rows_and_subjects_name_the_recording_of_each_window(store):
    windows = Windows.sliding(store, length=30, stride=35)
    assert windows.starts.tolist() == [0, 35, 70, 100, 130, 165]
    assert windows.rows().tolist() == [0, 0, 0, 1, 2, 2]
    assert windows.rows(np.array([3, -1])).tolist() == [1, 2]
    assert windows.subjects.tolist() == ["s1", "s1", "s1", "s2", "s1", "s1"]


def test_streams_of_some_subjects_only(store):
    windows = Windows.sliding(store, length=30, stride=35, subjects=["s2"])
    assert windows.starts.tolist() == [100]
    assert windows.subjects.tolist() == ["s2"]


def test_unknown_subject_suggests_the_near_one(store):
    with pytest.raises(ValueError, match="no subject 's11': did you mean s1"):
        Windows.sliding(store, 30, 35, subjects=["s1", "s11"])


@pytest.mark.parametrize("chosen", [[True, False] * 4 + [True], [0, 2, 4, 6, 8]])
def test_selection_by_mask_or_index_keeps_windows_and_labels(store, chosen):
    windows = Windows.labelled(store, length=20, stride=15)
    some = windows.select(np.array(chosen))
    assert some.starts.tolist() == windows.starts[::2].tolist()
    assert some.labels.tolist() == windows.labels[::2].tolist()
    assert torch.equal(some[1], windows[2])


def test_selection_may_be_empty(store):
    none = Windows.labelled(store, length=20, stride=15).select(np.zeros(9, bool))
    assert (len(none), none.subjects.tolist()) == (0, [])


def test_starts_out_of_order_are_refused(store):
    with pytest.raises(ValueError, match="must be ascending"):
        Windows.sliding(store, length=20, stride=7).select(np.array([3, 1]))


def test_windows_say_what_an_encoder_of_theirs_accepts(store):
    windows = Windows.sliding(store, length=20, stride=7)
    assert windows.input_spec == InputSpec(store.channels, 50.0, 20)
    windows.input_spec.check(tuple(windows.take([0, 1]).shape))


@pytest.mark.parametrize("cut", [Windows.sliding, Windows.labelled])
def test_window_longer_than_every_stretch_names_the_longest(store, cut):
    longest = {Windows.sliding: "2 s", Windows.labelled: "1.2 s"}[cut]
    with pytest.raises(ValueError, match=rf"2\.02 s \(101 samples\).* the longest has {longest}"):
        cut(store, 101, 10)


@pytest.mark.parametrize(("length", "stride"), [(10, 0), (0, 10), (10, -1)])
def test_length_and_stride_below_one_are_refused(store, length, stride):
    with pytest.raises(ValueError, match=f"length {length} and stride {stride} must be at least"):
        Windows.sliding(store, length, stride)


def test_unknown_class_is_named_with_those_of_the_store(store):
    with pytest.raises(ValueError, match="no class 'fly', 'swim' in the store: it has sit, walk"):
        Windows.labelled(store, 20, 10, classes=["sit", "fly", "swim"])


def test_store_without_labels_says_how_to_get_them():
    with pytest.raises(ValueError, match="no labels: name the label column at `tsclr ingest"):
        Windows.labelled(Store.build([recording(100)]), 20, 10)


def test_mapped_pages_are_released_while_reading_and_the_data_stay_right(
    store, tmp_path, monkeypatch
):
    (tmp_path / SIGNAL).write_bytes(store.signal.tobytes())
    (tmp_path / LABELS).write_bytes(store.labels.tobytes())
    rows = store.recordings.to_dict("records")
    StoreTable(rows, store.channels, 50.0, store.classes).write(tmp_path / TABLE)
    released = []
    release = Store.release
    monkeypatch.setattr(Store, "release", lambda self: (released.append(1), release(self)))
    mapped = Windows.sliding(Store.open(tmp_path), length=20, stride=7)
    expected = Windows.sliding(store, length=20, stride=7)
    index = np.arange(len(expected)).repeat(2)
    assert torch.equal(mapped.take(index), expected.take(index))
    assert not released
    monkeypatch.setattr(module, "KEPT_BYTES", 0)
    monkeypatch.setattr(module, "RELEASE_EVERY", 4)
    assert torch.equal(mapped.take(index), expected.take(index))
    assert len(released) == -(-len(index) // 4)


def test_hapt_windows_are_the_official_7767_and_3162(hapt_store):
    windows = Windows.labelled(hapt_store, Hapt.window, Hapt.stride)
    tested = np.isin(windows.subjects, Hapt.test_subjects)
    assert ((~tested).sum(), tested.sum()) == (7_767, 3_162)
    assert (windows.labels[1:][np.diff(windows.rows()) == 0] >= 0).all()


def test_hapt_6_windows_are_10411(hapt_store):
    windows = Windows.labelled(hapt_store, Hapt.window, Hapt.stride, Hapt.scored_classes)
    assert len(windows) == 10_411
    assert np.bincount(windows.labels).tolist() == [1722, 1544, 1407, 1801, 1979, 1958]


def test_raw_streams_give_more_windows_than_the_labelled_protocol(hapt_store):
    raw = Windows.sliding(hapt_store, Hapt.window, Hapt.stride)
    assert len(raw) > len(Windows.labelled(hapt_store, Hapt.window, Hapt.stride))


@pytest.mark.parametrize(
    ("seconds", "rate", "expected"), [(2.56, 50.0, 128), (1, 31.25 * 4, 125), (0.1, 30.0, 3)]
)
def test_seconds_become_whole_samples(seconds, rate, expected):
    assert samples(seconds, rate) == expected


@pytest.mark.parametrize(
    ("seconds", "near"), [(2.57, "2.56 s"), (0.0, "0.02 s"), (-1.0, "0.02 s"), (0.001, "0.02 s")]
)
def test_seconds_that_are_no_whole_number_of_samples_are_refused_with_a_near_one(seconds, near):
    with pytest.raises(ValueError, match=f"a stride of {seconds:g} s .* for example {near}"):
        samples(seconds, 50.0, "stride")
